"""The candidates for the word of one position: `mix(words, position)`, where a key has been absorbed into three words.

Each runs on jax's arrays and on numpy's. What is not measured here is cited: Random123's own headers (Salmon et al.,
Parallel random numbers: as easy as 1, 2, 3, SC 2011) and hash-prospector's table of avalanche bias (Wellons).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jax import lax

from jreg.random._hash import _mix

Words = tuple[Any, Any, Any]


class Mixer(NamedTuple):
    mix: Callable[[Words, Any], Any]
    note: str


def without_first_product(words: Words, position: Any) -> Any:
    """The chosen mixer with the stride left to scatter the positions before they meet the key."""
    first, second, third = words
    u = position * (first | np.uint32(1)) + second
    x = (u ^ (u >> 15)) * ((u ^ third) | np.uint32(1))
    return _round(x, 16, 0x735A2D97, 15)


def without_data_product(words: Words, position: Any) -> Any:
    """A keyed stride, and products with constants alone: a permutation of the counter."""
    first, second, third = words
    u = position * (first | np.uint32(1)) + second
    return _round(_round(u, 16, 0x21F0AAAD, 15) + third, 0, 0x735A2D97, 15)


def three_words_and_sum(words: Words, position: Any) -> Any:
    """The mixer of jreg before this one: a constant comes first, so some differences are bad under every key."""
    first, second, third = words
    inner = _round(position ^ first, 17, 0xED5AD4BB, 11)
    x = _round(inner + second, 0, 0xAC4C1B51, 15)
    return _round(x + third, 0, 0x31848BAB, 14) + inner


def three_words(words: Words, position: Any) -> Any:
    first, second, third = words
    x = _round(position ^ first, 17, 0xED5AD4BB, 11)
    x = _round(x + second, 0, 0xAC4C1B51, 15)
    return _round(x + third, 0, 0x31848BAB, 14)


def one_word(words: Words, position: Any) -> Any:
    x = _round(position ^ words[0], 17, 0xED5AD4BB, 11)
    return _round(_round(x, 0, 0xAC4C1B51, 15), 0, 0x31848BAB, 14)


def lowbias_twice(words: Words, position: Any) -> Any:
    return _lowbias32(_lowbias32(position ^ words[0]) ^ words[1])


def philox(words: Words, position: Any, rounds: int) -> Any:
    """Philox2x32 of the counter (position, third word) under the second word."""
    left, right, key = position, words[2], words[1]
    for number in range(rounds):
        high, low = _multiply_wide(left, np.uint32(0xD256D193))
        left, right = high ^ (key + _times(0x9E3779B9, number)) ^ right, low
    return left


def threefry(words: Words, position: Any, rounds: int) -> Any:
    """Threefry2x32 of the counter (position, third word) under the first two, written out and not in a loop."""
    keys = (words[0], words[1], words[0] ^ words[1] ^ np.uint32(0x1BD11BDA))
    left, right = position + keys[0], words[2] + keys[1]
    for number in range(rounds):
        rotation = (13, 15, 26, 6, 17, 29, 16, 24)[number % 8]
        left = left + right
        right = ((right << rotation) | (right >> (32 - rotation))) ^ left
        if number % 4 == 3:
            step = number // 4 + 1
            left = left + keys[step % 3]
            right = right + keys[(step + 1) % 3] + np.uint32(step)
    return left


def _round(x: Any, before: int, factor: int, after: int) -> Any:
    x = (x ^ (x >> before) if before else x) * np.uint32(factor)
    return x ^ (x >> after)


def _lowbias32(x: Any) -> Any:
    return _round(_round(x, 16, 0x7FEB352D, 15), 0, 0x846CA68B, 16)


def _times(constant: int, number: int) -> np.uint32:
    return np.uint32(constant * number % 2**32)


def _multiply_wide(x: Any, factor: np.uint32) -> tuple[Any, Any]:
    if isinstance(x, np.ndarray):
        wide = x.astype(np.uint64) * np.uint64(factor)
        return (wide >> np.uint64(32)).astype(np.uint32), wide.astype(np.uint32)
    return lax.mulhi(x, lax.full_like(x, factor)), x * factor


CHOSEN, BEFORE = "keyed stride, data product (jreg)", "three words and sum"

MIXERS = {
    CHOSEN: Mixer(_mix, "a keyed stride, then constant, data and constant products; a function, not a permutation"),
    "no first product": Mixer(without_first_product, "the same with three products; weak where the stride is 1"),
    "no data product": Mixer(without_data_product, "a keyed stride and two constants; a permutation"),
    BEFORE: Mixer(
        three_words_and_sum, "jreg's mixer until now: three rounds of triple32, and the first one's end added"
    ),
    "three words": Mixer(three_words, "three rounds of triple32; a permutation: no word occurs twice"),
    "one word": Mixer(one_word, "triple32 of position ^ key: all keys give permutations of one mask"),
    "lowbias32 twice": Mixer(lowbias_twice, "a permutation; avalanche bias 0.17 for one round trip (published)"),
    "Philox2x32-7": Mixer(lambda w, i: philox(w, i, 7), "no known flaw from 6 rounds on (published)"),
    "Philox2x32-10": Mixer(lambda w, i: philox(w, i, 10), "no known flaw (published)"),
    "Threefry2x32-13": Mixer(lambda w, i: threefry(w, i, 13), "no known flaw from 13 rounds on (published)"),
    "Threefry2x32-20": Mixer(lambda w, i: threefry(w, i, 20), "no known flaw (published)"),
}
