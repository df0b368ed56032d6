"""A keyed counter hash: the random bits of every mask in jreg.

The word of element i is h(i), where i is the element's row-major position and h is a 32-bit mixer that is keyed at
three depths. It has no state, no loop and no carry: u32 multiply, xor, shift and add alone, so XLA fuses it into
whatever reads the bits, on CPU, GPU and TPU, and computes it anew in the backward pass instead of storing it. The
counter is a sum of `iota * stride`, so a sharded array needs no communication and its words do not depend on the mesh.

*Key preparation.* Every word of the key's data is absorbed into three scalar words by the `triple32` mixer (Wellons,
hash-prospector). Raw key words would not do: `mix(i ^ key)` gives neighbouring keys permutations of one mask.

*Mixing.* Three rounds of multiply and xorshift, with one key word before the first, one before the second and one
before the third, and the state after the first round added at the end. The three depths keep any one equal word of two
keys from making their masks permutations of one another. The sum at the end makes h a function that can repeat a word,
as random words do, where the rounds alone are a permutation of the counter, which never repeats.

*What it is not.* It is not cryptographic: words reveal the key to who looks for it. A key has 2**32 words by the low
counter. A mask of up to some 2**28 elements uses a small part of them; a larger one visits a sizeable part of a fixed
map of 32 bits to 32 bits, in which a test made for it may find structure that random words would not have. Arrays of
more than 2**32 elements absorb the high part of the position into the key words, a new set of them per leading slice,
so that no slice repeats another. `benchmarks/results/generator.md` has what was run on it, and what the alternatives
cost.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, UInt32

from .._core import checks
from .._core.types import Key

_WORDS_PER_KEY = 2**32


def hash_bits(key: Key, shape: tuple[int, ...]) -> UInt32[Array, "*shape"]:
    """Uniform 32-bit words, a function of key and position alone.

    Args:
      key: any PRNG key, of any implementation; it is consumed, so use it for nothing else.
      shape: each axis shorter than 2**32; the size may exceed it.

    >>> import jax
    >>> from jreg import random
    >>> random.hash_bits(jax.random.key(0), (2, 3)).dtype
    dtype('uint32')
    """
    words = _key_words(checks.key("hash_bits", key))
    low_axes = _low_axes(shape)
    high_axes = range(low_axes.start)
    if high_axes:
        words = _absorb(words, _positions(shape, high_axes))
    return _mix(words, _positions(shape, low_axes))


@jax.jit
def _key_words(key: Key) -> tuple[Array, Array, Array]:
    """Absorb a key's data, however long, into three words. Jitted, so that many sites trace it once."""
    data = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    words = (jnp.uint32(0x9E3779B9), jnp.uint32(0xBB67AE85), jnp.uint32(0x3C6EF372))
    for word in data.ravel():
        words = _absorb(words, word)
    return words


def _absorb(words: tuple[Array, Array, Array], word: Array) -> tuple[Array, Array, Array]:
    first, second, third = words
    first = _triple32(first ^ word)
    second = _triple32(second + first)
    return first, second, _triple32(third ^ second)


def _triple32(x: Array) -> Array:
    x = (x ^ (x >> 17)) * np.uint32(0xED5AD4BB)
    x = (x ^ (x >> 11)) * np.uint32(0xAC4C1B51)
    x = (x ^ (x >> 15)) * np.uint32(0x31848BAB)
    return x ^ (x >> 14)


def _mix(words: tuple[Array, Array, Array], position: Array) -> Array:
    first, second, third = words
    x = position ^ first
    x = (x ^ (x >> 17)) * np.uint32(0xED5AD4BB)
    inner = x ^ (x >> 11)
    x = (inner + second) * np.uint32(0xAC4C1B51)
    x = ((x ^ (x >> 15)) + third) * np.uint32(0x31848BAB)
    return (x ^ (x >> 14)) + inner


def _low_axes(shape: tuple[int, ...]) -> range:
    """The trailing axes whose positions fit one word."""
    for axis, size in enumerate(shape):
        if size >= _WORDS_PER_KEY:
            raise ValueError(f"hash_bits: axis {axis} must be shorter than 2**32; got shape {shape}. Reshape it")
    start = next(start for start in range(len(shape) + 1) if math.prod(shape[start:]) <= _WORDS_PER_KEY)
    return range(start, len(shape))


def _positions(shape: tuple[int, ...], axes: range) -> Array:
    """The row-major position over `axes` of every element of `shape`, modulo 2**32."""
    position = jnp.zeros((1,) * len(shape), jnp.uint32)
    stride = 1
    for axis in reversed(axes):
        if shape[axis] > 1:
            position += lax.broadcasted_iota(jnp.uint32, shape, axis) * jnp.uint32(stride % _WORDS_PER_KEY)
        stride *= shape[axis]
    return jnp.broadcast_to(position, shape)
