"""Are the words of one key evenly spread? Chi-squared of every window of 16 bits, over very many words."""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .mixers import Mixer
from .streams import prepared

BITS = 16
_WIDE = 20
_STARTS = (0, 5, 10, 12)  # windows of 20 bits in which every window of 16 lies
_BLOCK = 2**22


class Window(NamedTuple):
    key: int
    log_size: int
    start: int
    """The lowest bit of the window."""
    z: float


def measure(mixer: Mixer, log_size: int, key: int) -> Iterator[Window]:
    """z of chi-squared for each of the 17 windows of 16 bits in the first 2**log_size words of a key."""
    counts = _counts(mixer, 2**log_size, key)
    for start in range(33 - BITS):
        wide = max(low for low in _STARTS if low <= start)
        yield Window(key, log_size, start, _z(_narrowed(counts[wide], start - wide), 2**log_size))


def _counts(mixer: Mixer, size: int, key: int) -> dict[int, np.ndarray]:
    words = prepared(key)
    draw = jax.jit(lambda start: mixer.mix(words, start + jnp.arange(_BLOCK, dtype=jnp.uint32)))
    counts = {start: np.zeros(2**_WIDE, np.int64) for start in _STARTS}
    for first in range(0, size, _BLOCK):
        block = np.asarray(draw(jnp.uint32(first)))
        for start, count in counts.items():
            count += np.bincount(block >> np.uint32(start) & np.uint32(2**_WIDE - 1), minlength=2**_WIDE)
    return counts


def _narrowed(count: np.ndarray, skipped: int) -> np.ndarray:
    """The counts of the 16 bits that begin `skipped` bits above the lowest of a wide window."""
    return count.reshape(-1, 2**BITS, 2**skipped).sum((0, 2))


def _z(count: np.ndarray, size: int) -> float:
    """Chi-squared, whose mean is the degrees of freedom and whose variance is twice that."""
    expected, freedom = size / len(count), len(count) - 1
    chi_squared = float(((count - expected) ** 2).sum() / expected)
    return (chi_squared - freedom) / (2 * freedom) ** 0.5
