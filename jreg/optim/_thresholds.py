"""Proximal operators in closed form: the minimizer of a penalty plus half the squared distance moved."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Inexact

from .._core import dtypes, norms
from .._core.checks import Checks
from .._core.types import Numbers

NUM_STEPS = 4
"""Newton's steps to the norm of a group whose thresholds differ."""


def soft_threshold(x: Inexact[Array, "*shape"], threshold: Numbers) -> Inexact[Array, "*shape"]:
    """Apply the proximal operator of threshold * |x|: sign(x) * max(|x| - threshold, 0), on the modulus of complex x.

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
    return soft(*_checked(Checks("soft_threshold"), x, threshold))


def block_soft_threshold(
    x: Inexact[Array, "*shape"], threshold: Numbers, *, axis: int | tuple[int, ...]
) -> Inexact[Array, "*shape"]:
    """Apply the proximal operator of threshold * |x|_2 to each group: x * max(1 - threshold / |x|_2, 0).

    A group is zeroed as a whole or not at all. Its gradient is 0 in a group of zeros.

    Args:
      threshold: at least 0; a scalar, or an array that broadcasts against x with length 1 along `axis`.
      axis: the axes inside one group: 0 groups the weights that enter each unit of an (in, out) kernel.

    Raises:
      ValueError: a concrete threshold below 0 (a traced one gives NaN), one that varies within a group, or an axis that
        x does not have.

    >>> import jax.numpy as jnp
    >>> from jreg import optim
    >>> shrunk = optim.block_soft_threshold(jnp.array([[3.0, 0.3], [4.0, 0.4]]), 1.0, axis=0)
    >>> [[f"{value:.1f}" for value in row] for row in shrunk]
    [['2.4', '0.0'], ['3.2', '0.0']]

    Yuan and Lin, Model Selection and Estimation in Regression with Grouped Variables, JRSS B 2006.
    """
    check = Checks("block_soft_threshold")
    x = check.inexact("x", x)
    axes = check.axes("axis", axis, x.ndim)
    groups = tuple(1 if at in axes else size for at, size in enumerate(x.shape))
    _, limit = _checked(check, jnp.empty(groups, x.dtype), threshold)
    wide = x.astype(dtypes.widened(x.dtype))
    return block_soft(wide, limit.astype(dtypes.real(wide.dtype)), axes).astype(x.dtype)


def elastic_net_threshold(
    x: Inexact[Array, "*shape"], l1_threshold: Numbers, l2_threshold: Numbers
) -> Inexact[Array, "*shape"]:
    """Apply the proximal operator of l1_threshold * |x| + l2_threshold / 2 * x^2.

    The result is soft_threshold(x, l1_threshold) / (1 + l2_threshold).

    Args:
      l1_threshold, l2_threshold: at least 0; scalars, or arrays that broadcast against x.

    Raises:
      ValueError: a concrete threshold below 0. A traced one gives NaN.

    >>> import jax.numpy as jnp
    >>> from jreg import optim
    >>> optim.elastic_net_threshold(jnp.array([-3.0, 0.5, 2.0]), 1.0, 1.0).tolist()
    [-1.0, 0.0, 0.5]

    Parikh and Boyd, Proximal Algorithms, 2014.
    """
    check = Checks("elastic_net_threshold")
    x, first = _checked(check, x, l1_threshold, "l1_threshold")
    _, second = _checked(check, x, l2_threshold, "l2_threshold")
    return soft_elastic(x, first, second)


def soft(x: Array, limit: Array) -> Array:
    if jnp.iscomplexobj(x):
        return _shrunk(x, norms.safe_norm(x, ()), limit)
    limit = jnp.broadcast_to(limit, x.shape)
    return x - lax.clamp(-limit, x, limit)


def block_soft(x: Array, limit: Array, axes: tuple[int, ...]) -> Array:
    return _shrunk(x, norms.safe_norm(x, axes, keepdims=True), limit)


def scaled_block_soft(x: Array, limits: Array, axes: tuple[int, ...]) -> Array:
    """The proximal operator of |x|_2 in a diagonal metric: argmin_v sum |v_i - x_i|^2 / (2 limits_i) + |v|_2.

    v_i = x_i * r / (r + limits_i), where r = |v|_2 is the root of sum (|x_i| / (r + limits_i))^2 = 1. The inverse root
    of that sum is concave in r, so Newton's steps rise to it from any r below; where all limits are equal, one is
    enough. Each term is at most 1 at the root, hence r is at least each |x_i| - limits_i.
    """
    size, is_free = jnp.abs(x), limits == 0.0
    pull = jnp.where(is_free, jnp.where(size == 0.0, 0.0, jnp.inf), size / jnp.where(is_free, 1.0, limits))
    is_zeroed = jnp.sum(pull * pull, axes, keepdims=True) <= 1.0
    lowest = jnp.maximum(
        norms.safe_norm(x, axes, keepdims=True) - jnp.max(limits, axes, keepdims=True, initial=0.0), 0.0
    )
    lowest = jnp.maximum(lowest, jnp.max(size - limits, axes, keepdims=True, initial=0.0))

    def rise(_: Array, radius: Array) -> Array:
        reach = radius + limits
        inverse = jnp.where(reach == 0.0, 0.0, 1.0 / jnp.where(reach == 0.0, 1.0, reach))
        squares = (size * inverse) ** 2
        total, slope = jnp.sum(squares, axes, keepdims=True), jnp.sum(squares * inverse, axes, keepdims=True)
        return radius + total * (jnp.sqrt(total) - 1.0) / jnp.where(slope == 0.0, 1.0, slope)

    radius = lax.fori_loop(0, NUM_STEPS, rise, lowest)
    reach = radius + limits
    return jnp.where(is_zeroed, 0.0, x * (radius / jnp.where(reach == 0.0, 1.0, reach)).astype(x.dtype))


def soft_elastic(x: Array, first: Array, second: Array) -> Array:
    return soft(x, first) / (1.0 + second).astype(x.dtype)


def _checked(
    check: Checks, x: Array, threshold: Numbers, argument: str = "threshold"
) -> tuple[Array, Float[Array, "..."]]:
    x = check.inexact("x", x)
    limit = check.broadcastable(argument, check.number(argument, threshold, low=0.0), x.shape)
    return x, limit.astype(dtypes.real(x.dtype))


def _shrunk(x: Array, size: Array, limit: Array) -> Array:
    """Shorten vectors by `limit`; a divisor that is never 0 keeps the gradients finite."""
    is_zeroed = size <= limit
    factor = 1.0 - limit / jnp.where(is_zeroed, 1.0, size)
    return jnp.where(is_zeroed, 0.0, x * factor.astype(x.dtype))
