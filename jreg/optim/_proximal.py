"""Proximal steps: after the optimizer's step, the exact minimizer of the penalty plus the distance moved.

A proximal step gives exact zeros with any optimizer, where the gradient of |w| only ever steps over zero.
"""

from collections.abc import Callable

import jax.numpy as jnp
import optax
from jaxtyping import Array, Inexact

from .._core import checks, dtypes, trees
from .._core.types import Numbers, Strength, Where
from ._leafwise import check_strength, leafwise, strength_at


def soft_threshold(x: Inexact[Array, "*shape"], threshold: Numbers) -> Inexact[Array, "*shape"]:
    """The proximal operator of threshold * |x|: sign(x) * max(|x| - threshold, 0), by the modulus where complex.

    Args:
      threshold: at least 0; a scalar, or an array that broadcasts against x.

    Raises:
      ValueError: a concrete threshold below 0. A traced one gives NaN.

    >>> import jax.numpy as jnp
    >>> from jreg import optim
    >>> optim.soft_threshold(jnp.array([-3.0, 0.5, 2.0]), 1.0).tolist()
    [-2.0, 0.0, 1.0]

    Parikh and Boyd, Proximal Algorithms, 2014.
    """
    x = checks.inexact("soft_threshold", "x", x)
    threshold = checks.number("soft_threshold", "threshold", threshold, low=0.0)
    threshold = checks.broadcastable("soft_threshold", "threshold", threshold, x.shape)
    limit = threshold.astype(dtypes.real(x.dtype))
    excess = jnp.abs(x) - limit
    return jnp.where(excess <= 0.0, 0.0, x - limit.astype(x.dtype) * jnp.sign(x))


def proximal(
    operator: Callable[[Array, Array], Array],
    strength: Strength,
    learning_rate: Strength,
    *,
    mask: Where = trees.kernels,
) -> optax.GradientTransformation:
    """Replace the weights that the step would reach, w + u, by `operator(w + u, learning_rate * strength)`.

    Put it last in the chain, after the learning rate.

    Args:
      operator: a proximal operator of (array, threshold), such as `soft_threshold`.
      strength: of the penalty, at least 0; a number, traced or not, or a schedule of the step count.
      learning_rate: what the optimizer was given, a number or a schedule.
      mask: which leaves; by default the kernels, so neither biases nor scales of norms. None takes all.

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
    return _proximal("proximal", operator, strength, learning_rate, mask)


def prox_l1(
    strength: Strength, learning_rate: Strength, *, mask: Where = trees.kernels
) -> optax.GradientTransformation:
    """The proximal step of `strength * penalty.l1(params)`: exact zeros, with SGD, momentum, Adam and any other.

    Put it last in the chain, after the learning rate; every step moves each weight by learning_rate * strength towards
    zero and stops there. With plain SGD it is ISTA and converges to the Lasso.

    Args:
      strength: of the penalty, at least 0; a number, traced or not, or a schedule of the step count.
      learning_rate: what the optimizer was given, a number or a schedule.
      mask: which leaves; by default the kernels, so neither biases nor scales of norms. None takes all.

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
    return _proximal("prox_l1", soft_threshold, strength, learning_rate, mask)


def _proximal(
    function: str,
    operator: Callable[[Array, Array], Array],
    strength: Strength,
    learning_rate: Strength,
    mask: Where,
) -> optax.GradientTransformation:
    check_strength(function, "strength", strength)
    check_strength(function, "learning_rate", learning_rate)
    return leafwise(
        function,
        lambda update, param, threshold: operator(param + update, jnp.real(threshold)) - param,
        lambda state: (
            strength_at(function, "strength", strength, state)
            * strength_at(function, "learning_rate", learning_rate, state)
        ),
        mask,
    )
