"""The row-major position of an element in an array, or in the larger array that a block is cut from.

A position is a 32-bit word. In an array of more than 2**32 elements, an element has several: the axes are split into
groups of at most 2**32 positions each, starting at the last axis, and the element has one position in each group.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Integer, UInt32

from .._core import checks
from .._core.checks import Checks

Offset: TypeAlias = Sequence[Integer[ArrayLike, ""]] | None
"""Where a block starts, a whole number for each axis, traced or not; None for the start of the array."""

Whole: TypeAlias = tuple[int, ...] | None
"""The shape of the array that a block is cut from."""

_NUM_WORDS = 2**32


class Block(NamedTuple):
    shape: tuple[int, ...]
    start: tuple[Any, ...]
    whole: tuple[int, ...]


def block_of(check: Checks, shape: tuple[int, ...], offset: Offset, whole: Whole) -> Block:
    """Check that a block of `shape` which starts at `offset` lies in an array of shape `whole`."""
    shape = check.shape("shape", shape)
    if offset is None:
        return Block(shape, (0,) * len(shape), shape)
    if not isinstance(offset, Sequence):
        raise TypeError(f"{check}: offset must hold a whole number for each axis; got {checks.shown(offset)}")
    start = tuple(check.whole_number("offset", place) for place in offset)
    if len(start) != len(shape):
        raise ValueError(f"{check}: offset must have one entry for each axis of shape {shape}; got {offset!r}")
    if whole is None:
        _check_spans(check, shape, start)
        return Block(shape, start, shape)
    whole = check.shape("whole", whole)
    if len(whole) != len(shape) or not all(map(_fits, start, shape, whole)):
        raise ValueError(f"{check}: whole must hold a block of shape {shape} at offset {start}; got {whole}")
    return Block(shape, start, whole)


def groups_of_axes(check: Checks, shape: tuple[int, ...]) -> list[range]:
    """Split the axes into as few groups of at most 2**32 positions each as possible, starting at the last axis."""
    for axis, size in enumerate(shape):
        if size >= _NUM_WORDS:
            raise ValueError(f"{check}: axis {axis} must be shorter than 2**32; got shape {shape}. Reshape it")
    groups, stop = [], len(shape)
    for axis in reversed(range(len(shape))):
        if math.prod(shape[axis:stop]) > _NUM_WORDS:
            groups, stop = [range(axis + 1, stop), *groups], axis + 1
    return [range(stop), *groups]


def positions(block: Block, axes: range) -> UInt32[Array, "*shape"]:
    """The row-major position of every element of a block in the whole, over one group of axes."""
    parts, stride = [], 1
    for axis in reversed(axes):
        step = np.uint32(stride % _NUM_WORDS)
        if block.shape[axis] > 1:
            index = lax.broadcasted_iota(jnp.uint32, block.shape, axis)
            parts.append(index if stride == 1 else index * step)
        if checks.is_traced(block.start[axis]) or block.start[axis]:
            parts.append(lax.convert_element_type(block.start[axis], jnp.uint32) * step)
        stride *= block.whole[axis]
    return jnp.broadcast_to(sum(parts[1:], *parts[:1]) if parts else jnp.uint32(0), block.shape)


def _fits(place: Any, size: int, length: int) -> bool:
    return size <= length if checks.is_traced(place) else place + size <= length


def _check_spans(check: Checks, shape: tuple[int, ...], start: tuple[Any, ...]) -> None:
    """Raise unless the block spans every axis but the first: only then are the strides known without `whole`."""
    if any(checks.is_traced(place) or place for place in start[1:]):
        raise ValueError(f"{check}: whole must be given with an offset along any axis but the first; got {start}")
    if shape and not _fits(start[0], shape[0], _NUM_WORDS // max(math.prod(shape[1:]), 1)):
        raise ValueError(f"{check}: whole must be given where it has more than 2**32 elements; got offset {start}")
