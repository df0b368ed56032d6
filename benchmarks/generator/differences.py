"""Does any difference of two positions show in one key's decisions? All differences are looked at, at once.

The correlation of a row of decisions with itself, moved by every xor and by every cyclic shift of its index, is two
Walsh-Hadamard transforms and two Fourier transforms. Each correlation, over its standard deviation, is a standard
normal number if the decisions are independent; there are as many of them as elements.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
from scipy import stats

from jreg import random

from .mixers import Mixer
from .streams import prepared

SIGNIFICANCE = 0.01
_RADIX = 64
_BLOCK = 2**22

Row = np.ndarray


class Worst(NamedTuple):
    """The largest of all correlations under one kind of difference."""

    key: int
    decision: str
    kind: str
    difference: int
    z: float
    count: int


def bound(count: int) -> float:
    """|z| that the largest of `count` statistics exceeds by chance in one report of a hundred (Bonferroni)."""
    return float(stats.norm.isf(SIGNIFICANCE / (2 * count)))


def measure(
    mixer: Mixer, size: int, keys: Sequence[int], rates: Sequence[float], bits: Sequence[int]
) -> Iterator[Worst]:
    """The worst difference of each key under each decision: masks at `rates`, and single `bits` of the words."""
    for key in keys:
        words = words_of(mixer, key, size)
        for decision, row in [*masks(words, rates), *single_bits(words, bits)]:
            yield Worst(key, decision, "xor", *_largest(by_xor(row)), size - 1)
            yield Worst(key, decision, "shift", *_largest(by_shift(row)), size // 2)


def followed(mixer: Mixer, worst: Worst, log_sizes: Sequence[int]) -> list[tuple[int, float]]:
    """z of one xor of the index at rate 0.5 in ever longer masks: chance fades, a flaw grows."""
    flip, words = np.uint32(worst.difference), prepared(worst.key)

    @jax.jit
    def agreements(start: jax.Array) -> jax.Array:
        place = start + jnp.arange(_BLOCK, dtype=jnp.uint32)
        same = mixer.mix(words, place) >> 31 == mixer.mix(words, place ^ flip) >> 31
        return jnp.sum(jnp.where(same, 1, -1))

    found, total, done = [], 0, 0
    for log_size in log_sizes:
        total += sum(int(agreements(jnp.uint32(start))) for start in range(done, 2**log_size, _BLOCK))
        done = 2**log_size
        found.append((log_size, total / (2 * done) ** 0.5))
    return found


def words_of(mixer: Mixer, key: int, size: int) -> jax.Array:
    """The first words of the key with the data (0, key)."""
    return jax.jit(lambda: mixer.mix(prepared(key), jnp.arange(size, dtype=jnp.uint32)))()


def masks(words: jax.Array, rates: Sequence[float]) -> Iterator[tuple[str, Row]]:
    """Decisions of mean 0 and variance 1 at each rate, which is first rounded as a mask rounds it."""
    for rate in rates:
        share = int(np.float32(rate) * 2**31) / 2**31
        kept = np.asarray(random.kept(words, rate))
        yield f"rate {rate:g}", (kept - np.float32(1 - share)) / np.float32((share * (1 - share)) ** 0.5)


def single_bits(words: jax.Array, bits: Sequence[int]) -> Iterator[tuple[str, Row]]:
    for bit in bits:
        yield f"bit {bit}", np.asarray(words >> bit & 1).astype(np.float32) * 2 - 1


def by_xor(row: Row, other: Row | None = None) -> Row:
    """z of the products of `row[i]` and `other[i ^ d]`, for every d; each pair of one row is met twice."""
    spectrum = walsh(row) * walsh(row if other is None else other)
    if other is not None:
        return walsh(spectrum) / row.size**1.5
    return walsh(spectrum - row.size) / (row.size * (2 * row.size) ** 0.5)


def by_shift(row: Row, other: Row | None = None) -> Row:
    """z of the products of `row[i + d]` and `other[i]`, cyclically, for every d."""
    first = np.asarray(scipy.fft.rfft(row, workers=-1))
    second = first if other is None else np.asarray(scipy.fft.rfft(other, workers=-1))
    product = first * second.conj()
    if other is not None:
        return scipy.fft.irfft(product, row.size, workers=-1) / row.size**0.5
    return scipy.fft.irfft(product - row.size, row.size, workers=-1)[: row.size // 2] / row.size**0.5


def walsh(row: Row) -> Row:
    """The Walsh-Hadamard transform of a power of two, by products with small Hadamard matrices."""
    shape, rest = row.shape, row.size
    row = row.astype(np.float32)
    while rest > 1:
        radix = min(rest, _RADIX)
        rest //= radix
        row = (
            np.matmul(_hadamard(radix), row.reshape(rest, radix, -1))
            if rest * radix < row.size
            else (row.reshape(rest, radix) @ _hadamard(radix))
        )
    return row.reshape(shape)


def _hadamard(size: int) -> Row:
    matrix = np.ones((1, 1), np.float32)
    while len(matrix) < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def _largest(z: Row) -> tuple[int, float]:
    """The difference, other than none, whose |z| is largest."""
    place = 1 + int(np.abs(z[1:]).argmax())
    return place, float(z[place])
