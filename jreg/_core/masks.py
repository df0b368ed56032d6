"""From uniform words to a Bernoulli mask: the comparison that every mask uses, for rates that have been checked."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int32, UInt32

from . import marks
from .checks import Checks
from .placement import placed_like


def above(words: UInt32[Array, "..."], rate: Float[Array, "..."]) -> Bool[Array, "..."]:
    """True with probability 1 - rate; never where the rate is NaN.

    31 bits are compared as signed numbers, which has exact thresholds at both ends: -1 for rate 0 and 2**31 - 1 for
    rate 1.
    """
    return lax.bitcast_convert_type(words >> 1, jnp.int32) > marks.kept(_threshold(rate.astype(jnp.float32)))


def narrowed(check: Checks, words: Any, shape: tuple[int, ...]) -> UInt32[Array, "..."]:
    """Check what `bits` returned; take the high half of 64-bit words, which `jax.random.bits` draws in x64 mode."""
    if words.shape != shape or words.dtype not in (jnp.uint32, jnp.uint64):
        raise TypeError(f"{check}: bits must return uint32 of shape {shape}; got {words.dtype}{list(words.shape)}")
    return jnp.asarray(words) if words.dtype == jnp.uint32 else (words >> 32).astype(jnp.uint32)


def _threshold(rate: Float[Array, "..."]) -> Int32[Array, "..."]:
    share = lax.select(rate == rate, rate, jnp.ones_like(rate)) * np.float32(2.0**31)
    return lax.bitcast_convert_type(share.astype(jnp.uint32) - np.uint32(1), jnp.int32)


def where(mask: Bool[Array, "..."], x: Array, other: Array) -> jax.Array:
    """`jnp.where(mask, x, other)` in the shape of x, in the fewest operations, since every use of noise traces it."""
    mask, other = (placed_like(jnp.broadcast_to(part, x.shape), x) for part in (mask, other))
    return lax.select(mask, x, other)
