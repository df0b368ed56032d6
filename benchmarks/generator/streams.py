"""Endless streams of the hash's words, in the orders in which a flaw could show.

The words are those of `jreg.random.hash_bits`, made by its own `_absorb` and `_mix`, which know only operators and so
run on numpy arrays as they do on jax's. Key t has the data (0, t), as `jax.random.key(t)` has.
"""

import os
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jreg import random
from jreg.random import _hash, _prng

Words = tuple[np.ndarray, np.ndarray, np.ndarray]
Mix = Callable[[Words, np.ndarray], np.ndarray]

_absorb: Any = _hash._absorb
_mix: Any = _hash._mix

_INITIAL = tuple(np.array([word], np.uint32) for word in (0x9E3779B9, 0xBB67AE85, 0x3C6EF372))
_BLOCK = 2**16
_RUN = 64
_NUM_TRANSPOSED_KEYS = 2**16


def key_words(*data: np.ndarray) -> Words:
    """What `hash_bits` makes of the words of a key's data, for many keys at once."""
    return reduce(_absorb, (np.asarray(word, np.uint32) for word in data), _INITIAL)


def numbered_keys(numbers: np.ndarray) -> Words:
    """The prepared words of keys with the data (0, number)."""
    return key_words(np.zeros_like(numbers), numbers)


def prepared(key: int) -> Any:
    """The words of one numbered key, as scalars of jax."""
    return tuple(jnp.asarray(word[0]) for word in numbered_keys(np.array([key], np.uint32)))


def counter(mix: Mix = _mix, key: int = 1) -> Iterator[np.ndarray]:
    """A running counter under one key: all 2**32 words of key t, then those of key t + 1, and so on."""
    for number in range(key, 2**32):
        words = numbered_keys(np.array([number], np.uint32))
        for start in range(0, 2**32, _BLOCK):
            yield mix(words, _positions(start))


def runs(mix: Mix = _mix, key: int = 1) -> Iterator[np.ndarray]:
    """The first 64 words of key t, then those of key t + 1, and so on."""
    position = np.arange(_RUN, dtype=np.uint32)
    for start in range(0, 2**64, _BLOCK // _RUN):
        numbers = _positions(start + key, _BLOCK // _RUN)[:, None]
        yield mix(numbered_keys(numbers), position).ravel()


def transposed(mix: Mix = _mix, key: int = 1) -> Iterator[np.ndarray]:
    """Word i of 65536 neighbouring keys, then their word i + 1, and so on."""
    words = numbered_keys(_positions(key, _NUM_TRANSPOSED_KEYS))
    for position in range(2**32):
        yield mix(words, np.array([position], np.uint32))


def children(mix: Mix = _mix, key: int = 1) -> Iterator[np.ndarray]:
    """The first 64 words of `jax.random.bits` of each child of a split `hash_prng` key."""
    root = _words_of(jax.random.key(key, impl=random.hash_prng))
    position = np.arange(_RUN, dtype=np.uint32)
    for start in range(0, 2**32, _BLOCK // _RUN):
        child = _descend(root, _prng._SPLIT, _positions(start, _BLOCK // _RUN)[:, None])
        yield mix(key_words(*_descend(child, _prng._BITS)), position).ravel()


def control(mix: Mix = _mix, key: int = 1) -> Iterator[np.ndarray]:
    """The operating system's cryptographic randomness, for what a battery says of bits that have no flaw."""
    while True:
        yield np.frombuffer(os.urandom(4 * _BLOCK), np.uint32)


def _words_of(key: jax.Array) -> Words:
    first, second, third = np.asarray(jax.random.key_data(key))[:, None]
    return first, second, third


def _descend(words: Words, tag: int, *arguments: np.ndarray) -> Words:
    return reduce(_absorb, (np.array([tag], np.uint32), *arguments), words)


ORDERS = {f.__name__: f for f in (counter, runs, transposed, children, control)}


def mask_bits(words: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The decisions of `keep_mask` at rate 0.5, 32 to a word: an element is kept where its word's top bit is set."""
    for block in words:
        yield np.packbits(block >> 31 == 1, bitorder="little").view(np.uint32)


def _positions(start: int, size: int = _BLOCK) -> np.ndarray:
    return np.uint32(start % 2**32) + np.arange(size, dtype=np.uint32)
