"""Where a loader is in its epoch, by the `get_state` and `set_state` of its iterator, as grain's have them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

BYTES = "base64:"


def place_of(batches: Iterator[Any]) -> str | None:
    """The state of an iterator as text; None if it has none.

    Raises:
      TypeError: a state that is neither bytes nor what JSON gives back unchanged.
    """
    get_state = getattr(batches, "get_state", None)
    if get_state is None or not hasattr(batches, "set_state"):
        return None
    state = get_state()
    if isinstance(state, bytes):
        return BYTES + base64.b64encode(state).decode()
    try:
        text = json.dumps(state)
        is_kept = json.loads(text) == state
    except (TypeError, ValueError):
        text, is_kept = "", False
    if not is_kept:
        raise TypeError(
            f"run: get_state of train_batches must give bytes, or what JSON gives back unchanged; got {state!r}"
        )
    return text


def put(batches: Iterator[Any], place: str | None) -> bool:
    """Move an iterator to a place; False if it cannot be moved there."""
    set_state = getattr(batches, "set_state", None)
    if place is None or set_state is None:
        return False
    set_state(base64.b64decode(place[len(BYTES) :]) if place.startswith(BYTES) else json.loads(place))
    return True


def of_all_processes(place: str | None) -> list[str | None]:
    """The places of the loaders of all processes; every process calls this together."""
    if jax.process_count() == 1:
        return [place]
    text = json.dumps(place).encode()
    longest = int(np.max(multihost_utils.process_allgather(np.int32(len(text)))))
    rows = multihost_utils.process_allgather(np.frombuffer(text.ljust(longest), np.uint8))
    return [json.loads(bytes(row)) for row in np.asarray(rows).reshape(-1, longest)]


def of_this_process(places: list[str | None]) -> str | None:
    """The place of this process's loader; None if another number of processes wrote them."""
    return places[jax.process_index()] if len(places) == jax.process_count() else None
