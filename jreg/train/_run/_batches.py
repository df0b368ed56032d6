"""Batches of an epoch, on the device before they are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from ..._core.types import Tree

Batches: TypeAlias = Iterable[Tree] | Callable[[int], Iterable[Tree]]
"""An iterable that gives the batches anew in every epoch, or a function of the epoch that returns one."""

END = object()


class Fetched(NamedTuple):
    """A batch, and where the loader is after it."""

    batch: Tree
    place: str | None


def opened(batches: Batches, epoch: int) -> Iterator[Tree]:
    """The batches of an epoch, from its first."""
    if isinstance(batches, Iterable):
        return iter(batches)
    if not callable(batches):
        raise TypeError(f"run: batches must be an iterable or a function of the epoch; got {type(batches).__name__}")
    return iter(batches(epoch))


def require_as_many(used: int, position: int, batch: Tree) -> None:
    """A loader must give again at least the batches that an earlier part of the run has used."""
    if batch is END and position < used:
        raise ValueError(f"run: train_batches must give what they gave before the resume, {used}; got {position}")


def prefetched(batches: Iterator[Fetched], sharding: Any, ahead: int = 2) -> Iterator[tuple[Fetched, bool]]:
    """Each batch, sent to the device `ahead` batches before it is used, and whether it is the last."""
    placed = (
        Fetched(jax.tree.map(lambda leaf: _placed(leaf, sharding), fetched.batch), fetched.place) for fetched in batches
    )
    queue = deque(islice(placed, ahead))
    while queue:
        fetched = queue.popleft()
        following = next(placed, None)
        if following is not None:
            queue.append(following)
        yield fetched, not queue


def size(name: Literal["train_batches", "valid_batches"], batch: Tree) -> int:
    """The number of examples: the length of the first axis, or 1 where no leaf has one; a scalar serves all of them.

    Raises:
      ValueError: there are no examples, so no mean over them exists, or the leaves differ.
    """
    leaves = jax.tree.leaves(batch)
    lengths = {leaf.shape[0] for leaf in leaves if leaf.ndim}
    if len(lengths) > 1:
        shapes = jax.tree.map(jnp.shape, batch)
        raise ValueError(f"run: {name} must have as many examples in every leaf of a batch; got {shapes}")
    count = lengths.pop() if lengths else len(leaves[:1])
    if not count:
        raise ValueError(f"run: {name} must hold examples in every batch; got {jax.tree.map(jnp.shape, batch)}")
    return count


def _placed(leaf: Any, sharding: Any) -> jax.Array:
    """Put one leaf on the device; tensors of torch and tensorflow read as arrays too."""
    if isinstance(leaf, jax.Array):
        return leaf if sharding is None else jax.device_put(leaf, sharding)
    # A copy: a loader may put its next batch into this memory while jax still reads it.
    own = np.asarray(leaf).copy()
    return jax.device_put(own) if sharding is None else jax.make_array_from_process_local_data(sharding, own)
