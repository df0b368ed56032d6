"""Are the words of different keys independent? One z value per pair of streams, for many kinds of pairs.

A pair's statistic is the correlation of its decisions at rate 0.5, their top bits, after a shift or an xor of one's
index: such pairs share a mask, permuted, when a key enters the hash in one place alone. With all statistics standard
normal, the largest of n exceeds the bound of Bonferroni at 1 % in one report of a hundred.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jreg import random

from . import differences
from .mixers import Mixer
from .streams import Words, key_words, numbered_keys

NUM_KEYS = 24
SIZE = 2**18
SHIFTS = (0, 1, 2, 3, 8, 64, 1000, 2**16)
XORS = (1, 3, 2**8, 2**16, 2**17)
_NUM_WORDS = 2**24

Data = tuple[np.ndarray, ...]


class Finding(NamedTuple):
    family: str
    count: int
    worst: float

    @property
    def bound(self) -> float:
        """|z| that the largest of `count` statistics exceeds by chance in 1 % of reports."""
        return differences.bound(self.count)


def families() -> dict[str, Data]:
    """Key data by kind: a tuple of words, each an array over the keys."""
    numbers = np.arange(NUM_KEYS, dtype=np.uint32)
    one_hot = np.uint32(1) << np.arange(32, dtype=np.uint32)
    zeros = np.zeros(32, np.uint32)
    return {
        "keys t and t + 1: (0, t)": (zeros[:NUM_KEYS], numbers),
        "keys (t, 0)": (numbers, zeros[:NUM_KEYS]),
        "one-hot (0, 2**t)": (zeros, one_hot),
        "one-hot (2**t, 0)": (one_hot, zeros),
        "all words equal: (t, t)": (numbers, numbers),
        "complements: (~t, t)": (~numbers, numbers),
        "multiples of 2**16": (numbers << 16, numbers << 16),
        "of 1 word: t (philox2x32)": (numbers,),
        "of 4 words: (0, t, 0, t) (rbg)": (zeros[:NUM_KEYS], numbers) * 2,
        "of 4 words, one-hot in the last": (zeros, zeros, zeros, one_hot),
    } | _jax_families()


def _jax_families() -> dict[str, Data]:
    indices = jnp.arange(NUM_KEYS)
    kinds = {"threefry": None, "hash_prng": random.hash_prng, "philox4x32": "philox4x32", "rbg": "rbg"}
    found = {}
    for name, impl in kinds.items():
        root = jax.random.key(7, impl=impl)
        found[f"{name}: split children"] = _data(jax.random.split(root, NUM_KEYS))
        found[f"{name}: fold_in children"] = _data(jax.vmap(jax.random.fold_in, (None, 0))(root, indices))
        found[f"{name}: seeds"] = _data(jax.vmap(lambda seed, impl=impl: jax.random.key(seed, impl=impl))(indices))
    return found


def _data(keys: jax.Array) -> Data:
    return tuple(np.asarray(jax.random.key_data(keys)).T)


def measure(mixer: Mixer) -> list[Finding]:
    """The worst statistic of each family of keys."""
    return [Finding(name, *_worst(mixer, key_words(*data))) for name, data in families().items()]


def unprepared(mixer: Mixer, size: int = SIZE) -> Finding:
    """The worst statistic when raw key data, which differ in one word, are used without preparation."""
    numbers, same = np.arange(NUM_KEYS, dtype=np.uint32), np.full(NUM_KEYS, 99, np.uint32)
    return Finding("(t, 99, 99), used raw", *_worst(mixer, (numbers, same, same), size))


def repeats(mixer: Mixer) -> float:
    """z of the number of words that occur again among the first 2**24 of a key: a permutation repeats none."""
    words = mixer.mix(numbered_keys(np.array([1], np.uint32)), np.arange(_NUM_WORDS, dtype=np.uint32))
    again = _NUM_WORDS - np.unique(words).size
    expected = _NUM_WORDS - 2**32 * -np.expm1(_NUM_WORDS * np.log1p(-(2.0**-32)))
    return float((again - expected) / expected**0.5)


def _worst(mixer: Mixer, words: Words, size: int = SIZE) -> tuple[int, float]:
    """Number of statistics, and their largest |z|, over all pairs of keys, index shifts and index xors."""
    first, second, third = (word[:, None] for word in words)
    signs = _signs(mixer.mix((first, second, third), np.arange(size, dtype=np.uint32)))
    pairs = np.triu_indices(len(signs), k=1)
    found = [_correlations(signs, signs[:, moved])[pairs] for moved in _moves(size)]
    z = np.concatenate([*found, _own(signs)])
    return z.size, float(np.abs(z).max())


def _signs(words: np.ndarray) -> np.ndarray:
    return 1.0 - 2.0 * (words >> 31).astype(np.float32)


def _moves(size: int) -> list[np.ndarray]:
    """Where each element is compared with."""
    indices = np.arange(size)
    return [(indices - shift) % size for shift in SHIFTS] + [indices ^ bits for bits in XORS if bits < size]


def _correlations(signs: np.ndarray, others: np.ndarray) -> np.ndarray:
    return signs @ others.T / signs.shape[1] ** 0.5


def _own(signs: np.ndarray) -> np.ndarray:
    """Mean of each stream, and its correlation with itself at the shifts that are not none."""
    lagged = [(signs * np.roll(signs, shift, axis=1)).sum(1) for shift in SHIFTS[1:]]
    return np.concatenate([signs.sum(1), *lagged]) / signs.shape[1] ** 0.5
