"""What attention allows and what it drops, as functions of position: (batch, head, query, key).

A position is four coordinates, not a place in an array of known shape. So the mask of a block, a shard or a longer
sequence is cut from the same infinite one, and whoever computes a part needs only the offset of that part.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, UInt32

from .._core.types import Key
from ..random import hash_at, kept

NUM_AXES = 4


class Places(NamedTuple):
    """Coordinates of a block, which broadcast to (batch, groups, members, queries, keys)."""

    batch: UInt32[Array, "batch 1 1 1 1"]
    head: UInt32[Array, "1 groups members 1 1"]
    query: UInt32[Array, "1 1 1 queries 1"]
    key: UInt32[Array, "1 1 1 1 keys"]


def places_of(shape: tuple[int, ...], offset: tuple[Any, ...], start: Array) -> Places:
    """The coordinates of a block of shape (batch, groups, members, queries, keys), whose queries begin at `start`."""
    batch, groups, members, queries, keys = shape
    sizes = ((batch, 1, 1, 1, 1), (1, groups, members, 1, 1), (1, 1, 1, queries, 1), (1, 1, 1, 1, keys))
    places = (
        _counted(groups * members if axis == 1 else max(size), place).reshape(size)
        for axis, (size, place) in enumerate(zip(sizes, offset, strict=True))
    )
    found = Places(*places)
    return found._replace(query=found.query + start)


def kept_at(key: Key, places: Places, rate: Float[Array, ""], shared_axes: Collection[int]) -> Bool[Array, "..."]:
    """Draw for each position; one draw serves all positions along a shared axis."""
    parts = (
        jnp.zeros((1,) * place.ndim, place.dtype) if axis in shared_axes else place for axis, place in enumerate(places)
    )
    return kept(hash_at(key, *parts), rate)


def is_not_later(places: Places) -> Bool[Array, "1 1 1 queries keys"]:
    """Where a key is at most as late as the query: what causal attention allows."""
    return places.key <= places.query


def _counted(size: int, offset: Any) -> UInt32[Array, " size"]:
    return jnp.arange(size, dtype=jnp.uint32) + jnp.asarray(offset).astype(jnp.uint32)
