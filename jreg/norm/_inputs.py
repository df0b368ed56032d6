"""The inputs of batch norm, checked: x with its features last, and the statistics in the dtypes to compute in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from .._core import checks, dtypes
from .._core.checks import Checks
from .._core.placement import placed_like
from ._moments import Mask
from ._shards import Shards


class BatchNormParams(NamedTuple):
    """What batch norm learns: `scale` and `offset`, either of which may be None to leave it out.

    They are not kernels, so the default masks of penalties leave them alone.
    """

    scale: Inexact[Array, " features"] | None
    offset: Inexact[Array, " features"] | None


class BatchNormStats(NamedTuple):
    """Running statistics, a `mean` and a `variance` per feature.

    They are updated in float32 or wider: narrower ones come back in float32.
    """

    mean: Inexact[Array, " features"]
    variance: Float[Array, " features"]


class Batch(NamedTuple):
    """A batch in the dtype to compute in, with its feature axes moved to the end; `x` is the argument as given."""

    x: Array
    wide: Array
    axes: tuple[int, ...]
    params: BatchNormParams
    stats: BatchNormStats
    eps: Array

    @property
    def num_axes(self) -> int:
        return len(self.axes)

    @property
    def counted(self) -> tuple[int, ...]:
        """The sizes of the axes that the statistics are taken over."""
        return self.wide.shape[: self.wide.ndim - self.num_axes]

    def restored(self, y: Array) -> Array:
        """A result in the shape and the dtype of x."""
        y = y.reshape(self.wide.shape).astype(self.x.dtype)
        return jnp.moveaxis(y, range(-self.num_axes, 0), self.axes)


def checked(
    check: Checks,
    params: BatchNormParams,
    stats: BatchNormStats,
    x: Array,
    eps: Any,
    axis: int | Sequence[int] = -1,
) -> Batch:
    x = check.inexact("x", x)
    axes = check.axes("axis", axis, x.ndim)
    features = tuple(x.shape[axis] for axis in axes)
    for argument, value, kind in (("params", params, BatchNormParams), ("stats", stats, BatchNormStats)):
        if not isinstance(value, kind):
            raise TypeError(f"{check}: {argument} must be a {kind.__name__}; got {type(value).__name__}")
        leaves: Any = value._asdict()
        for name, leaf in leaves.items():
            if leaf is None and argument == "params":
                continue
            shape = check.inexact(name, leaf).shape
            if shape != features:
                raise ValueError(f"{check}: {name} must have shape {features} for x {x.shape}; got {shape}")
    if jnp.iscomplexobj(x) and not jnp.iscomplexobj(stats.mean):
        raise TypeError(f"{check}: mean must be complex for x of {x.dtype}; got {stats.mean.dtype}")
    stats = BatchNormStats(*(value.astype(dtypes.widened(value.dtype)) for value in stats))
    scale = jnp.ones_like(stats.variance) if params.scale is None else params.scale
    offset = jnp.zeros_like(stats.variance) if params.offset is None else params.offset
    eps = check.scalar("eps", eps, 0.0, ends="[)")
    wide = check.reads(features_last(x.astype(dtypes.widened(x.dtype)), axes))
    return Batch(x, wide, axes, BatchNormParams(scale, offset), stats, eps)


def checked_where(check: Checks, where: Any, batch: Batch) -> Mask:
    """The mask in the shape of the batch, with the features last."""
    if where is None:
        return None
    if getattr(where, "dtype", None) is not np.dtype(bool):
        raise TypeError(f"{check}: where must be an array of bools; got {where!r}")
    shape = batch.x.shape
    where = jnp.broadcast_to(check.broadcastable("where", jnp.asarray(where), shape), shape)
    return placed_like(features_last(where, batch.axes), batch.wide)


def checked_least(check: Checks, least: Any, batch: Batch, shards: Shards) -> int:
    """Check `min_values`, and that the batch has at least as many values per feature."""
    least = check.integer("min_values", least)
    if math.prod(batch.counted) * shards.fewest() < least:
        number = {1: "one value", 2: "two values"}.get(least, f"{least} values")
        raise ValueError(f"{check}: x must have {number} or more per feature in training; got shape {batch.x.shape}")
    return least


def checked_running(check: Checks, decay: Any, ddof: int) -> tuple[Array, int]:
    decay = check.scalar("decay", decay, 0.0, 1.0)
    if check.integer("ddof", ddof, low=0) > 1:
        raise ValueError(f"{check}: ddof must be 0 or 1; got {checks.shown(ddof)}")
    return decay, ddof


def checked_ghosts(check: Checks, ghost_size: Any, batch: Batch) -> int:
    size, shape, counted = check.integer("ghost_size", ghost_size), batch.x.shape, batch.counted
    if not counted or counted[0] % size:
        raise ValueError(f"{check}: ghost_size must divide the first axis of x, of shape {shape}; got {size}")
    if size * math.prod(counted[1:]) < 2:
        raise ValueError(f"{check}: ghost_size must leave two values or more per feature; got {size} for {shape}")
    return size


def features_last(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.moveaxis(x, axes, range(-len(axes), 0))
