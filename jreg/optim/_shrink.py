"""Coupled penalties: their gradients are added to those of the loss before the optimizer sees them."""

from __future__ import annotations

import jax.numpy as jnp
import optax

from .._core import leaves
from .._core.checks import Checks
from .._core.types import Mask, Strength
from ._leafwise import leafwise


def add_l1(strength: Strength, *, mask: Mask = leaves.kernels) -> optax.GradientTransformation:
    """Add the gradient of `strength * penalty.l1(params)` to the updates: g + strength * sign(w).

    Put it before the optimizer. It nudges weights towards zero and past it, so they end near zero: for exact zeros put
    `prox_l1` last instead. The gradient at zero is zero.

    Args:
      strength: at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix) of these, one
        per leaf.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: a concrete strength below 0 (a traced one gives NaN), a mask that selects nothing, updates that do not
        have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optim.add_l1(0.01), optax.sgd(0.1))
    >>> w = jnp.array([0.8])
    >>> updates, _ = optimizer.update(jnp.array([0.5]), optimizer.init(w), w)
    >>> f"{optax.apply_updates(w, updates)[0]:.4f}"
    '0.7490'

    Tibshirani, Regression Shrinkage and Selection via the Lasso, JRSS B 1996.
    """
    return leafwise(Checks("add_l1"), lambda update, w, s: update + s * jnp.sign(w), mask, {"strength": strength})


def add_l2(strength: Strength, *, mask: Mask = leaves.kernels) -> optax.GradientTransformation:
    """Add the gradient of `strength * penalty.l2(params)` to the updates: g + strength * w.

    Put it before the optimizer. With plain SGD that is weight decay. With Adam it is not: the penalty's gradient is
    divided by the same running root mean square as the loss's, so weights with large gradients are hardly decayed, and
    where the loss's gradient is zero the strength cancels. With Adam use `with_decoupled_decay`.

    Args:
      strength: at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix) of these, one
        per leaf. As with torch's `weight_decay`, the penalty is strength / 2 * |w|^2.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: a concrete strength below 0 (a traced one gives NaN), a mask that selects nothing, updates that do not
        have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optim.add_l2(0.01), optax.sgd(0.1))
    >>> w = jnp.array([0.8])
    >>> updates, _ = optimizer.update(jnp.array([0.5]), optimizer.init(w), w)
    >>> f"{optax.apply_updates(w, updates)[0]:.4f}"
    '0.7492'

    Loshchilov and Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """
    return leafwise(Checks("add_l2"), lambda update, w, s: update + s * w, mask, {"strength": strength})


def add_elastic_net(l1: Strength, l2: Strength, *, mask: Mask = leaves.kernels) -> optax.GradientTransformation:
    """Add the gradients of both penalties to the updates: g + l1 * sign(w) + l2 * w.

    Put it before the optimizer. It is `add_l1(l1)` and `add_l2(l2)` in one; scikit-learn's (alpha, l1_ratio) is
    l1 = alpha * l1_ratio and l2 = alpha * (1 - l1_ratio). For exact zeros put `prox_elastic_net` last instead.

    Args:
      l1, l2: at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix) of these, one
        per leaf.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: a concrete strength below 0 (a traced one gives NaN), a mask that selects nothing, updates that do not
        have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optim.add_elastic_net(0.01, 0.01), optax.sgd(0.1))
    >>> w = jnp.array([0.8])
    >>> updates, _ = optimizer.update(jnp.array([0.5]), optimizer.init(w), w)
    >>> f"{optax.apply_updates(w, updates)[0]:.4f}"
    '0.7482'

    Zou and Hastie, Regularization and Variable Selection via the Elastic Net, JRSS B 2005.
    """
    return leafwise(
        Checks("add_elastic_net"),
        lambda update, w, first, second: update + (first * jnp.sign(w) + second * w),
        mask,
        {"l1": l1, "l2": l2},
    )
