"""Zoneout behind one step of a recurrent cell, for the layers that wrap a cell."""

from typing import Any

import jax

from .._core.types import Key, Tree
from ..random import split
from ._recurrent import zoneout


def zone_step(key: Key | None, previous: Tree, proposed: Tree, output: Tree, rate: Any) -> tuple[Tree, Tree]:
    """The state after zoneout, and the output with the same zoneout wherever it is part of the proposed state.

    `rate` is a number, or a tuple with one for each part of a state that is a tuple.
    """
    if isinstance(rate, tuple):
        keys = split(key, len(rate))
        parts = zip(keys, previous, proposed, rate, strict=True)
        state = tuple(zoneout(*part) for part in parts)
    else:
        state = zoneout(key, previous, proposed, rate)
    pairs = zip(jax.tree.leaves(proposed), jax.tree.leaves(state), strict=True)
    zoned = {id(before): after for before, after in pairs}
    return state, jax.tree.map(lambda leaf: zoned.get(id(leaf), leaf), output)
