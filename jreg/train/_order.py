"""The order of the rows in an epoch."""

from __future__ import annotations

from math import ceil, log2

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from .._core.types import Key
from ..random import hash_bits

LARGEST = 2**24
"""Beyond it a word has too few bits left beside the place of a row."""


def shuffled(key: Key, size: int) -> Int[Array, " size"]:
    """0, ..., size - 1 in a uniform order.

    Each round sorts words with random bits above the place of the row. A CPU sorts single words six times as fast as
    pairs of a random number and a row. Ties keep the order of the round before, so all rounds together sort by all of
    their bits: at least 3 log2(size), as in `jax.random.permutation`, with which two rows tie once in 2 size shuffles.
    """
    if size > LARGEST:
        return jax.random.permutation(key, size)
    places = jnp.arange(size, dtype=jnp.uint32)
    place_bits = (size - 1).bit_length()
    place = jnp.uint32(2**place_bits - 1)
    order = places
    for words in hash_bits(key, (max(1, ceil(3 * log2(size) / (32 - place_bits))), size)):
        order = order[lax.sort((words & ~place) | places) & place]
    return order.astype(jnp.int32)
