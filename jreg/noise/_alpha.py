"""Alpha dropout: dropout for networks that normalize themselves."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Inexact

from .._core import dtypes, masks
from .._core.checks import Checks
from .._core.types import Key, Numbers
from ..random import hash_bits
from ._drop import shape_of_slices
from ._redraw import redrawn

SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_LIMIT = -SELU_SCALE * SELU_ALPHA


def alpha_dropout(
    key: Key | None,
    x: Inexact[Array, "*shape"],
    rate: Numbers,
    *,
    shared_axes: int | Sequence[int] = (),
) -> Inexact[Array, "*shape"]:
    """Set each element to SELU's lower limit with probability `rate`, and keep mean 0 and variance 1.

        y = a * (m * x + (1 - m) * c) + b,   m ~ Bernoulli(1 - rate),   c = -1.7581
        a = ((1 - rate) * (1 + rate * c**2)) ** -0.5,   b = -a * rate * c

    Use it between SELU layers, where dropout would pull mean and variance off their fixed point. If x has mean 0 and
    variance 1, so does y; for other x the mean shifts. `alpha_dropout(None, x, rate)` is x. A dropped NaN does not
    spread.

    Args:
      key: one key, or None for no noise.
      rate: probability of dropping, in [0, 1]; a scalar, or an array with x's number of axes. The paper uses 0.05 and
        0.1. Its gradient is zero. At rate 1 the result is 0, which is the limit of the formula and what torch returns.
      shared_axes: axes along which the mask is constant; negative ones count from the end. With the axes of space it
        drops whole feature maps, as torch's `feature_alpha_dropout`.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), or an axis that x does not have.

    >>> import jax
    >>> from jreg import noise
    >>> x = jax.random.normal(jax.random.key(0), (10_000,))
    >>> y = noise.alpha_dropout(jax.random.key(1), x, 0.5)
    >>> bool((abs(y.mean()) < 0.05) & (abs(y.var() - 1) < 0.05))
    True

    Klambauer et al., Self-Normalizing Neural Networks, NIPS 2017.
    """
    check = Checks("alpha_dropout")
    x = check.inexact("x", x)
    rate = check.broadcastable("rate", check.rate("rate", rate), x.shape)
    shared = check.axes("shared_axes", shared_axes, x.ndim)
    if key is None:
        return x
    rate = lax.stop_gradient(rate).astype(jnp.float32)
    options = (("mask_shape", shape_of_slices(x.shape, shared)),)
    return redrawn(check.key(key), x, rate, check=check, draw=_dropped, options=options)


def _dropped(key: Key, x: Array, rate: Array, *, mask_shape: tuple[int, ...]) -> Array:
    wide = dtypes.widened(x.dtype)
    share = 1.0 - rate
    # A dropped element becomes a * c + b = a * c * share. Written as one root, this is 0 at rate 1, where a is
    # infinite.
    low = SELU_LIMIT * jnp.sqrt(share / (1.0 + rate * SELU_LIMIT**2))
    slope = lax.rsqrt(jnp.where(share == 0.0, 1.0, share) * (1.0 + rate * SELU_LIMIT**2))
    kept = slope.astype(wide) * (x.astype(wide) - (rate * SELU_LIMIT).astype(wide))
    return masks.where(masks.above(hash_bits(key, mask_shape), rate), kept, low.astype(wide)).astype(x.dtype)
