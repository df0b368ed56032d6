"""A keyed counter hash: the random bits of every mask in jreg.

The word of element i is h(i), where i is the element's row-major position and h is a 32-bit mixer that a key enters at
three depths. It has no state, no loop and no carry, only u32 multiplications, xors, shifts and additions, so XLA fuses
it into whatever reads the bits, on CPU, GPU and TPU, and computes it again in the backward pass instead of storing it.
The counter is a sum of `iota * stride` and an offset, so a sharded array needs no communication, its words do not
depend on the mesh, and any block of it can be drawn on its own.

*Key preparation.* Every word of the key's data is absorbed into three scalar words by the `lowbias32` mixer (Wellons,
hash-prospector), which is one-to-one. Raw key words would not work: under `mix(i ^ key)`, neighbouring keys have masks
that are permutations of each other.

*Mixing.* The counter is first multiplied by the key's first word, made odd, and the second word is added, so each key
has its own stride. No difference of two positions is therefore special for all keys, as it would be if a constant came
first. The second multiplication is between two words that both depend on the position; the third word enters there. It
makes h repeat words as often as random words repeat, whereas multiplications by constants would permute the counter and
never repeat one. Two keys with one equal word have independent masks. If the first and the third words are equal, as in
one pair of keys in 2**62, one mask is the other at shifted positions.

*What was tested.* `benchmarks/results/generator.md` covers every difference of two positions, by xor and by
subtraction, in masks of up to 2**26 elements, every window of 16 bits in up to 2**30 words of a key, and related keys.

*What it is not.* It is not cryptographic: the words reveal the key to anyone who looks for it. The 32-bit counter gives
a key only 2**32 words, so a larger array uses several sets of key words: the axes are split into groups of up to 2**32
positions, starting at the last axis, and the positions in the leading groups are absorbed into the key, so that no
slice repeats another.
"""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, UInt32

from .._core import keys, marks
from .._core.checks import Checks
from .._core.types import Key
from ._block import Block, Offset, Whole, block_of, groups_of_axes, positions

Words = tuple[Array, Array, Array]

_ODD = np.uint32(0x21F0AAAD), np.uint32(0x735A2D97)


def hash_bits(
    key: Key, shape: tuple[int, ...], *, offset: Offset = None, whole: Whole = None
) -> UInt32[Array, "*shape"]:
    """Draw uniform 32-bit words that depend only on key and position.

    With an `offset` they are the words of a block of a larger array, the same as if the whole array had been drawn:
    `hash_bits(key, (2, 3), offset=(4, 6), whole=(8, 9))` is `hash_bits(key, (8, 9))[4:6, 6:9]`.

    Args:
      key: one PRNG key, of any implementation; it is consumed, so use it for nothing else.
      shape: the shape to draw; each axis must be shorter than 2**32, but the number of elements may exceed that.
      offset: where the block starts, a whole number for each axis. It may be traced, such as a multiple of
        `lax.axis_index`; then it is not checked, and beyond the whole the words are those of other positions.
      whole: the shape of the whole. Leave it out if the block spans every axis but the first, and the whole has no more
        than 2**32 elements.

    Raises:
      ValueError: an axis of 2**32 or longer, or a block that is not inside the whole.

    >>> import jax
    >>> from jreg import random
    >>> random.hash_bits(jax.random.key(0), (2, 3)).dtype
    dtype('uint32')
    """
    check = Checks("hash_bits")
    block = block_of(check, shape, offset, whole)
    return _words_at(block, _key_words(check.key(key)))


def hash_at(key: Key, *places: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """Draw uniform 32-bit words that depend only on key and coordinates, one for each element of the places.

    The words know no shape: an element's word stays the same when the array around it grows, is cut into blocks or lies
    on many devices, whereas `hash_bits` counts along an array of known shape. Every place but the last is absorbed into
    the key, and the last counts, so it should be the one of the longest axis: `hash_at(key, rows[:, None], columns)`.
    For one place, `hash_at(key, jnp.arange(n, dtype="uint32"))` is `hash_bits(key, (n,))`.

    Args:
      key: one PRNG key, of any implementation; it is consumed, so use it for nothing else.
      places: coordinates, which broadcast against one another.

    Raises:
      TypeError: places of another dtype than uint32.
      ValueError: no places, or shapes that do not broadcast.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import random
    >>> place = jnp.arange(4, dtype=jnp.uint32)
    >>> words = random.hash_at(jax.random.key(0), place[:, None], place)
    >>> bool((words[1:, 2:] == random.hash_at(jax.random.key(0), place[1:, None], place[2:])).all())
    True
    """
    check = Checks("hash_at")
    words, given = _key_words(check.key(key)), [check.words("places", place) for place in places]
    _broadcast(check, given)
    *leading, last = given
    for place in leading:
        words = _absorb(*_alike(words, place))
    # Where a compiler keeps the barrier, the leading places are absorbed once and not again for each of the last. XLA
    # drops it on a CPU, where LLVM then takes the same work out of the loop.
    return _mix(*_alike(lax.optimization_barrier(words) if leading else words, last))


def _broadcast(check: Checks, places: list[Array]) -> None:
    shapes = [place.shape for place in places]
    try:
        is_good = bool(places) and np.broadcast_shapes(*shapes) is not None
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError(f"{check}: places must be arrays whose shapes broadcast; got shapes {shapes}")


def _alike(words: Words, place: Array) -> tuple[Words, Array]:
    """Both with as many axes, which operations need where ranks are not promoted."""
    ndim = max(words[0].ndim, place.ndim)
    first, second, third = (word.reshape((1,) * (ndim - word.ndim) + word.shape) for word in words)
    return (first, second, third), place.reshape((1,) * (ndim - place.ndim) + place.shape)


def _words_at(block: Block, words: Words) -> UInt32[Array, "..."]:
    *leading, trailing = groups_of_axes(Checks("hash_bits"), block.whole)
    for axes in leading:
        words = _absorb(words, positions(block, axes))
    return _mix(words, positions(block, trailing))


def _key_words(key: Key | UInt32[Array, " words"]) -> Words:
    """Absorb the data of a key, however long, into three words, which the backward pass keeps."""
    first, second, third = map(marks.kept, _prepared(key))
    return first, second, third


@jax.jit
def _prepared(key: Key) -> Words:
    """Jitted, so that many call sites trace it only once."""
    words = (jnp.uint32(0x9E3779B9), jnp.uint32(0xBB67AE85), jnp.uint32(0x3C6EF372))
    for word in _data(key).ravel():
        words = _absorb(words, word)
    return words


def _data(key: Key) -> UInt32[Array, "..."]:
    """The words of a key; JAX's check for reused keys counts reading them as a use."""
    data, config = keys.data_of(key), cast(Any, jax.config)
    if not (config.jax_debug_key_reuse and keys.is_typed(key)):
        return data
    # JAX's checker overlooks `key_data`. It sees this empty draw, which is added to the data so that no pass removes
    # it.
    return data + jnp.sum(jax.random.bits(key, (0,), "uint32"), dtype="uint32")


def _absorb(words: Words, word: Array) -> Words:
    first, second, third = words
    first = _lowbias32(first ^ word)
    second = _lowbias32(second + first)
    return first, second, _lowbias32(third ^ second)


def _lowbias32(x: Array) -> Array:
    x = (x ^ (x >> 16)) * _ODD[0]
    x = (x ^ (x >> 15)) * _ODD[1]
    return x ^ (x >> 15)


def _mix(words: Words, position: Array) -> Array:
    first, second, third = words
    u = position * (first | np.uint32(1)) + second
    x = (u ^ (u >> 16)) * _ODD[0]
    x = (x ^ (x >> 15)) * ((u ^ third) | np.uint32(1))
    x = (x ^ (x >> 16)) * _ODD[1]
    return x ^ (x >> 15)
