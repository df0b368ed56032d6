"""Sums over named axes."""

from __future__ import annotations

from operator import index
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from .._core.checks import Checks

AxisName = str | tuple[str, ...] | None


class Shards(NamedTuple):
    """The named axes that a sum runs over, and the groups along them; none by default."""

    axis_name: AxisName = None
    axis_index_groups: Any = None
    function: str = ""

    def total(self, x: Array) -> Array:
        if self.axis_name is None:
            return x
        if self.axis_index_groups is None:
            return lax.psum(x, self.axis_name)
        try:
            return lax.psum(x, self.axis_name, axis_index_groups=self.axis_index_groups)
        except RuntimeError as error:  # What JAX does not implement raises one, without a message.
            raise ValueError(
                f"{self.function}: axis_index_groups must be None under vmap, and in shard_map unless it has "
                f"check_vma=False, since JAX has no sums in groups there; got {self.axis_index_groups!r}"
            ) from error

    def number(self) -> int | Array:
        """The number of shards that a sum runs over; if the groups differ in size, each shard gets that of its own."""
        sizes = {shard: len(group) for group in self._groups() for shard in group}
        if len(set(sizes.values())) == 1:
            return sizes[0]
        return jnp.array([sizes[shard] for shard in range(len(sizes))])[lax.axis_index(self.axis_name)]

    def fewest(self) -> int:
        """The number of shards in the smallest group."""
        return min(map(len, self._groups()))

    def _groups(self) -> Any:
        if self.axis_name is None:
            return [[0]]
        return [range(lax.axis_size(self.axis_name))] if self.axis_index_groups is None else self.axis_index_groups


def _size_of(check: Checks, axis_name: Any) -> int:
    names = axis_name if isinstance(axis_name, tuple | list) else (axis_name,)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"{check}: axis_name must be a string or a tuple of them; got {axis_name!r}")
    try:
        return lax.axis_size(tuple(names))
    except NameError as error:
        raise ValueError(
            f"{check}: axis_name must name axes of the vmap or shard_map around it; got {axis_name!r}"
        ) from error


def checked_shards(check: Checks, axis_name: AxisName, axis_index_groups: Any = None) -> Shards:
    """Return the shards of a sum, after checking that its axes exist and that its groups hold each index once."""
    size = None if axis_name is None else _size_of(check, axis_name)
    if axis_index_groups is None:
        return Shards(axis_name)
    if size is None:
        raise ValueError(f"{check}: axis_index_groups must come with an axis_name; got {axis_index_groups!r}")
    try:
        groups = [[index(number) for number in group] for group in axis_index_groups]
    except TypeError:
        groups = []
    if sorted(number for group in groups for number in group) != list(range(size)):
        raise ValueError(
            f"{check}: axis_index_groups must hold each of the {size} indices of axis {axis_name!r} once; "
            f"got {axis_index_groups!r}"
        )
    return Shards(axis_name, [group for group in groups if group], str(check))
