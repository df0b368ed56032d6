"""Bernoulli masks from 32-bit words."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool

from .._core import checks
from .._core.types import Bits, Key, Numbers
from ._hash import hash_bits


def keep_mask(key: Key, shape: tuple[int, ...], rate: Numbers, *, bits: Bits = hash_bits) -> Bool[Array, "*shape"]:
    """Draw a mask that is True where an element is kept: P(kept) = 1 - rate.

    The mask depends on key, shape and rate alone: not on jit, sharding, x64 mode or device. At rate 0 all are kept and
    at rate 1 none are, exactly; between them the rate is rounded to float32 and then down to a multiple of 2**-31.

    Args:
      key: one key. None is refused: a mask is the noise itself.
      rate: probability of dropping, in [0, 1]; a scalar or an array that broadcasts against `shape`.
      bits: what draws the uniform uint32 words, such as `hash_bits` or `jax.random.bits`.

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one keeps nothing.

    >>> import jax
    >>> from jreg import random
    >>> mask = random.keep_mask(jax.random.key(0), (1000,), 0.3)
    >>> bool(abs(mask.mean() - 0.7) < 0.05)
    True
    """
    key = checks.key("keep_mask", key)
    rate = checks.broadcastable("keep_mask", "rate", checks.rate("keep_mask", rate), shape)
    return _above(_words(bits(key, shape), shape), rate.astype(jnp.float32))


def _above(words: Array, rate: Array) -> Array:
    """Compare 31 bits as signed numbers: that has an exact threshold at both ends, -1 for rate 0, 2**31 - 1 for 1."""
    share = jnp.where(jnp.isnan(rate), 1.0, rate) * 2.0**31
    threshold = lax.bitcast_convert_type(share.astype(jnp.uint32) - 1, jnp.int32)
    return lax.bitcast_convert_type(words >> 1, jnp.int32) > threshold


def _words(words: Array, shape: tuple[int, ...]) -> Array:
    """Accept what `jax.random.bits` returns in x64 mode too."""
    if words.shape != shape or words.dtype not in (jnp.uint32, jnp.uint64):
        raise TypeError(f"keep_mask: bits must return uint32 of shape {shape}; got {words.dtype}{list(words.shape)}")
    return words if words.dtype == jnp.uint32 else (words >> 32).astype(jnp.uint32)
