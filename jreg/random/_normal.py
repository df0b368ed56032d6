"""Continuous draws that fuse like the masks: one hash word per number, mapped by an inverse distribution function.

The word selects one of the 2**24 odd multiples of 2**-24 in (-1, 1). Every point of this grid is exact in float32. The
grid is its own mirror image, so each distribution made from it is exactly symmetric. It contains neither end, so no
draw is infinite. The numbers are float32 even in x64 mode: they depend only on key and shape.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float32

from .._core.checks import Checks
from .._core.types import Key, Numbers
from ._hash import hash_bits

_STEP = 2.0**-24
_LARGEST = np.finfo(np.float32).max


def signed_uniform(key: Key, shape: tuple[int, ...]) -> Float32[Array, "*shape"]:
    """Draw from the uniform distribution on (-1, 1); neither end nor 0 is ever drawn.

    Args:
      key: one key. None is refused: the draws are the noise itself.
      shape: the shape to draw.

    >>> import jax
    >>> from jreg import random
    >>> draws = random.signed_uniform(jax.random.key(0), (1000,))
    >>> bool((abs(draws) < 1).all() & (abs(draws.mean()) < 0.1))
    True
    """
    check = Checks("signed_uniform")
    words = hash_bits(check.key(key), check.shape("shape", shape))
    odd = lax.bitcast_convert_type((words >> 8) * np.uint32(2) + np.uint32(1), jnp.int32) - np.int32(2**24)
    return odd.astype(jnp.float32) * np.float32(_STEP)


def normal(key: Key, shape: tuple[int, ...], std: Numbers) -> Float32[Array, "*shape"]:
    """Draw from the normal distribution of mean 0, cut off at 5.42 standard deviations.

        std * sqrt(2) * erfinv(u),   u ~ U(-1, 1)

    `jax.random.normal` draws from the same distribution, but its generator does not fuse.

    Args:
      key: one key. None is refused: the draws are the noise itself.
      std: standard deviation, at least 0; a scalar or an array that broadcasts against `shape`.

    Raises:
      ValueError: a concrete `std` below 0 or infinite. A traced one gives NaN.

    >>> import jax
    >>> from jreg import random
    >>> draws = random.normal(jax.random.key(0), (1000,), 1.0)
    >>> bool((abs(draws.mean()) < 0.1) & (abs(draws.std() - 1) < 0.1))
    True
    """
    check = Checks("normal")
    key, shape = check.key(key), check.shape("shape", shape)
    std = check.broadcastable("std", check.number("std", std, 0.0, ends="[)"), shape)
    draws = (std.astype(jnp.float32) * np.float32(2.0**0.5)) * lax.erf_inv(signed_uniform(key, shape))
    # The clamp changes no value. Without it a compiler may or may not fuse the product with a sum that reads it, and
    # eager and jitted calls may differ in the last bit.
    return lax.clamp(-_LARGEST, draws, _LARGEST)
