"""The counter hash as a PRNG implementation: JAX's own samplers and flax's dropout at the speed of jreg's masks.

>>> import jax
>>> from jreg import random
>>> key = jax.random.key(0, impl=random.hash_prng)
>>> jax.random.normal(key, (2, 3)).shape
(2, 3)

Such a key works with `jax.random`, with every library that takes a key, and with `split`, `fold_in` and `vmap` as
usual. The one exception is `jax.random.poisson` and its callers: JAX implements it for threefry keys only. The key is
not for cryptography. Checkpoints and `jax.export` know only JAX's own implementations by name: store
`jax.random.key_data(key)`, and restore it with `jax.random.wrap_key_data(data, impl=hash_prng)`.

A key's data are three words, the state of the absorber of `hash_bits`. Every operation absorbs more words into it:
first the operation's own tag, and then its argument.

    seed(n)       = absorb(0, SEED, high word of n, low word of n)
    split(k)[i]   = absorb(k, SPLIT, i)
    fold_in(k, d) = absorb(k, FOLD_IN, d)
    bits(k)       = hash_bits(absorb(k, BITS))

So a key is the hash of the words on the path to it, and different paths have different words: the children of `split`,
the children of `fold_in`, the bits of a key and the `hash_bits` of that same key have nothing in common, whereas for
JAX's default `fold_in(key, i)` is `split(key, n)[i]`. For one key and one tag the absorber is one-to-one, so no two
children of a `split` are equal. Distinct paths collide only by chance, with probability 2**-96 per pair.

Words of 8 and 16 bits are the high bits of the 32-bit words, which are in turn the high half of the 64-bit words: a
uniform number in bfloat16 or float64 is the float32 one with fewer or more digits.
"""

from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import random as jax_random
from jaxtyping import Array, Integer, UInt, UInt32

from .._core.checks import Checks
from ._block import block_of, positions
from ._hash import _absorb, _key_words, _words_at

_SEED, _SPLIT, _FOLD_IN, _BITS, _LOW_BITS = range(1, 6)

Data = UInt32[Array, "*keys 3"]


def _seed(seed: Integer[Array, ""]) -> Data:
    if not jnp.issubdtype(seed.dtype, jnp.integer):
        raise TypeError(f"hash_prng: seed must be a whole number; got {seed.dtype}")
    high = seed >> 32 if seed.dtype.itemsize == 8 else jnp.zeros_like(seed)
    return _absorbed(np.zeros(3, np.uint32), _SEED, high, seed)


def _split(data: Data, shape: tuple[int, ...]) -> Data:
    return _children(data, tuple(shape))


def _fold_in(data: Data, message: Any) -> Data:
    return _absorbed(data, _FOLD_IN, message)


def _random_bits(data: Data, width: int, shape: tuple[int, ...]) -> UInt[Array, "*shape"]:
    words = _words(data, _BITS, shape)
    if width <= 32:
        return (words >> (32 - width)).astype(f"uint{width}")
    return words.astype(jnp.uint64) << 32 | _words(data, _LOW_BITS, shape).astype(jnp.uint64)


@partial(jax.jit, static_argnames=("tag",), inline=True)
def _absorbed(data: Any, tag: int, *arguments: Array) -> Data:
    words = (jnp.uint32(tag), *(argument.astype(jnp.uint32) for argument in arguments))
    return jnp.stack(reduce(_absorb, words, tuple(data)), axis=-1)


@partial(jax.jit, static_argnames=("shape",), inline=True)
def _children(data: Data, shape: tuple[int, ...]) -> Data:
    return _absorbed(data, _SPLIT, positions(block_of(Checks("split"), shape, None, None), range(len(shape))))


@partial(jax.jit, static_argnames=("tag", "shape"), inline=True)
def _words(data: Data, tag: int, shape: tuple[int, ...]) -> UInt32[Array, "*shape"]:
    return _words_at(block_of(Checks("bits"), shape, None, None), _key_words(_absorbed(data, tag)))


# JAX calls these four functions and pickles a key by their names, so none of them is jitted.
hash_prng = jax_random.define_prng_impl(
    key_shape=(3,),
    seed=_seed,
    split=_split,
    random_bits=_random_bits,
    fold_in=_fold_in,
    name="jreg_hash",
    tag="jreg_hash",
)
"""The `impl` of `jax.random.key` whose bits fuse into whatever reads them; see `jreg.random._prng`."""
