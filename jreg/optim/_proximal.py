"""Proximal steps: after the optimizer's step, the exact minimizer of the penalty plus half the squared distance moved.

A proximal step gives exact zeros with any optimizer, whereas the gradient of |w| only steps past zero. Updates of
16-bit weights come out in float32, so that `optax.apply_updates` rounds only what the step reaches.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array

from .._core import leaves
from .._core.checks import Checks
from .._core.types import Mask, Strength
from ._leafwise import leafwise
from ._thresholds import block_soft, soft, soft_elastic


def proximal(
    operator: Callable[[Array, Array], Array],
    strength: Strength,
    learning_rate: Strength,
    *,
    mask: Mask = leaves.kernels,
) -> optax.GradientTransformation:
    """Replace the weights that the step would reach, w + u, by `operator(w + u, learning_rate * strength)`.

    Put it last in the chain, after the learning rate.

    Args:
      operator: a proximal operator of (array, threshold), such as `soft_threshold`.
      strength: of the penalty, at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix)
        of these, one per leaf.
      learning_rate: the one that the optimizer was given, a number or a schedule.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: a concrete strength below 0 (a traced one gives NaN), a mask that selects nothing, updates that do not
        have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1, momentum=0.9), optim.proximal(optim.soft_threshold, 1.0, 0.1))
    >>> w = jnp.array([0.15])
    >>> updates, _ = optimizer.update(jnp.array([1.0]), optimizer.init(w), w)
    >>> (w + updates).tolist()
    [0.0]

    Parikh and Boyd, Proximal Algorithms, 2014.
    """
    check = Checks("proximal")
    check.called("operator", operator, "of (array, threshold)")
    return _proximal(check, operator, mask, learning_rate, strength=strength)


def prox_l1(
    strength: Strength, learning_rate: Strength, *, mask: Mask = leaves.kernels
) -> optax.GradientTransformation:
    """Take the proximal step of `strength * penalty.l1(params)`, which gives exact zeros with any optimizer.

    Put it last in the chain, after the learning rate. Every step moves each weight towards zero by
    learning_rate * strength, but not past it. With plain SGD it is ISTA and converges to the Lasso; with momentum m,
    whose steps are 1 / (1 - m) times as long, to the Lasso of (1 - m) * strength. After an adaptive optimizer, whose
    steps are about as long as the learning rate, the strength is a share of the step: at 1 or more every weight ends at
    zero, whatever the loss. For the Lasso around those take `with_l1`.

    Args:
      strength: of the penalty, at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix)
        of these, one per leaf.
      learning_rate: the one that the optimizer was given, a number or a schedule.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: a concrete strength below 0 (a traced one gives NaN), a mask that selects nothing, updates that do not
        have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1), optim.prox_l1(0.01, 0.1))
    >>> w = jnp.array([0.0505, 0.8])
    >>> updates, _ = optimizer.update(jnp.array([0.5, 0.5]), optimizer.init(w), w)
    >>> [f"{value:.4f}" for value in w + updates]
    ['0.0000', '0.7490']

    Daubechies, Defrise and De Mol, An Iterative Thresholding Algorithm for Linear Inverse Problems, CPAM 2004.
    """
    return _proximal(Checks("prox_l1"), soft, mask, learning_rate, strength=strength)


def prox_elastic_net(
    l1: Strength, l2: Strength, learning_rate: Strength, *, mask: Mask = leaves.kernels
) -> optax.GradientTransformation:
    """Take the proximal step of l1 * |w| + l2 / 2 * w^2: soft-threshold, then divide by 1 + learning_rate * l2.

    Put it last in the chain, after the learning rate. With plain SGD it converges to the elastic net; scikit-learn's
    (alpha, l1_ratio) is l1 = alpha * l1_ratio and l2 = alpha * (1 - l1_ratio).

    Args:
      l1, l2: at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix) of these, one
        per leaf.
      learning_rate: the one that the optimizer was given, a number or a schedule.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: a concrete strength below 0 (a traced one gives NaN), a mask that selects nothing, updates that do not
        have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1), optim.prox_elastic_net(0.5, 10.0, 0.1))
    >>> w = jnp.array([0.04, 1.05])
    >>> updates, _ = optimizer.update(jnp.zeros(2), optimizer.init(w), w)
    >>> [f"{value:.4f}" for value in w + updates]
    ['0.0000', '0.5000']

    Zou and Hastie, Regularization and Variable Selection via the Elastic Net, JRSS B 2005.
    """
    return _proximal(Checks("prox_elastic_net"), soft_elastic, mask, learning_rate, l1=l1, l2=l2)


def prox_group_lasso(
    strength: Strength, learning_rate: Strength, *, axis: int | tuple[int, ...], mask: Mask = leaves.kernels
) -> optax.GradientTransformation:
    """Take the proximal step of `strength * penalty.group_lasso(params, axis=axis)`: whole groups become exactly zero.

    Put it last in the chain, after the learning rate. As in the penalty, a group of n weights is charged sqrt(n) times
    its norm.

    Args:
      strength: of the penalty, at least 0; a number, traced or not, a schedule of the step count, or a tree (or prefix)
        of these, one per leaf.
      learning_rate: the one that the optimizer was given, a number or a schedule.
      axis: the axes inside one group: 0 removes whole units of an (in, out) kernel, 1 whole inputs, and (0, 1, 2) whole
        channels of a convolution.
      mask: which leaves or elements; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      ValueError: a concrete strength below 0 (a traced one gives NaN), a mask that selects nothing, an axis that a
        selected leaf does not have, updates that do not have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1), optim.prox_group_lasso(5.0, 0.1, axis=0))
    >>> w = jnp.array([[3.0, 0.3], [4.0, 0.4]])
    >>> updates, _ = optimizer.update(jnp.zeros((2, 2)), optimizer.init(w), w)
    >>> ((w + updates) == 0.0).tolist()
    [[False, True], [False, True]]

    Yuan and Lin, Model Selection and Estimation in Regression with Grouped Variables, JRSS B 2006.
    """

    check = Checks("prox_group_lasso")
    axes = check.integers("axis", axis)

    return _proximal(check, over_groups(block_soft, axes), mask, learning_rate, axis, strength=strength)


def over_groups(shrink: Callable[..., Array], axes: tuple[int, ...]) -> Callable[[Array, Array], Array]:
    """The operator that shrinks the groups over `axes`, larger groups by more: by the square root of their size."""

    def operator(w: Array, threshold: Array) -> Array:
        group_size = math.prod(w.shape[at] for at in axes)
        return shrink(w, threshold * math.sqrt(group_size), axes)

    return operator


def step_by(operator: Callable[..., Array]) -> Callable[..., Array]:
    """The update that reaches what `operator` makes of the step: operator(w + u, scale * strength, ...) - w."""

    def step(update: Array, w: Array, scale: Array, *strengths: Array) -> Array:
        return operator(w + update, *(jnp.real(scale * strength) for strength in strengths)) - w

    return step


def _proximal(
    check: Checks,
    operator: Callable[..., Array],
    mask: Mask,
    learning_rate: Strength,
    axis: Any = None,
    **strengths: Strength,
) -> optax.GradientTransformation:
    numbers = {"learning_rate": learning_rate} | strengths
    return leafwise(check, step_by(operator), mask, numbers, axis=axis, replaces=True)
