"""Are the masks of related keys independent? Every pair of keys, over every xor and every cyclic shift of the index.

Here the prepared words themselves are chosen, which is more than keys can do: what makes two of them equal is one
chance in 2**32.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jreg import random

from . import differences
from .mixers import Mixer
from .streams import Words, key_words

TWO_EQUAL = "for contrast, two words equal: first words one bit apart"
MOVED = "for contrast, two words equal: first and third, so that one mask is the other moved"
NUM_KEYS = 8
SIZE = 2**20


class Related(NamedTuple):
    family: str
    num_keys: int
    count: int
    worst: float


def measure(mixer: Mixer, size: int = SIZE) -> list[Related]:
    return [Related(name, len(words[0]), *_worst(mixer, words, size)) for name, words in families().items()]


def families() -> dict[str, Words]:
    """Prepared words by kind of relation."""
    generator = np.random.default_rng(0)
    first, second, third = generator.integers(2**32, size=(3, NUM_KEYS), dtype=np.uint32)
    same = np.full(NUM_KEYS, 0x9E3779B9, np.uint32)
    near = same ^ generator.integers(2**10, size=NUM_KEYS, dtype=np.uint32)  # so that their xor is a place in the row
    flips = np.uint32(2) << np.arange(NUM_KEYS, dtype=np.uint32) * 4
    ends = np.uint32(2**32 - 1) * np.array([[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]], np.uint32)
    return {
        "equal first word": (same, second, third),
        "equal second word": (first, same, third),
        "equal second word, first words near": (near, same, third),
        "equal third word": (first, second, same),
        "first words one bit apart": (same ^ flips, second, third),
        "second and third words one bit apart": (first, same ^ flips, same ^ flips),
        "equal first and second word, third words one bit apart": (same, same, same ^ flips),
        "words of 0 and 2**32 - 1": (ends[0], ends[1], ends[2]),
        "small first words, equal second": (np.arange(NUM_KEYS, dtype=np.uint32) * 2, same, third),
        TWO_EQUAL: (same ^ flips, same, same),
        MOVED: (same, same + (same | 1) * np.arange(NUM_KEYS, dtype=np.uint32), same),
    } | _children()


def _children() -> dict[str, Words]:
    root, indices = jax.random.key(7), jnp.arange(NUM_KEYS)
    kinds = {
        "children of split": jax.random.split(root, NUM_KEYS),
        "children of fold_in": jax.vmap(jax.random.fold_in, (None, 0))(root, indices),
        "children of split, hash_prng": jax.random.split(jax.random.key(7, impl=random.hash_prng), NUM_KEYS),
        "keys one bit apart": jax.random.wrap_key_data(
            jnp.stack([jnp.zeros(NUM_KEYS, jnp.uint32), jnp.uint32(1) << indices.astype(jnp.uint32) * 4], 1)
        ),
    }
    return {name: key_words(*np.asarray(jax.random.key_data(keys)).T) for name, keys in kinds.items()}


def _worst(mixer: Mixer, words: Words, size: int) -> tuple[int, float]:
    """The number of statistics, and their largest |z|."""
    draw = jax.jit(lambda prepared: mixer.mix(prepared, jnp.arange(size, dtype=jnp.uint32)) >> 31)
    rows = [np.asarray(draw(tuple(word[i] for word in words))).astype(np.float32) * 2 - 1 for i in range(len(words[0]))]
    pairs = [(one, other) for i, one in enumerate(rows) for other in rows[:i]]
    worst = max(np.abs(kind(*pair)).max() for pair in pairs for kind in (differences.by_xor, differences.by_shift))
    return 2 * size * len(pairs), float(worst)
