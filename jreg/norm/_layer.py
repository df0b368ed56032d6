"""What a layer of batch norm needs beside the functions: features on any axes, and scale or offset left out."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from .._core.layers import distinct_axes, promoted
from . import _batch_norm
from ._batch_norm import BatchNormParams, BatchNormStats
from ._shards import AxisName, checked_shards


def train(
    scale: Any,
    offset: Any,
    stats: BatchNormStats,
    x: Array,
    axis: Any,
    where: Any,
    *,
    axis_name: AxisName,
    axis_index_groups: Any,
    **options: Any,
) -> tuple[Array, BatchNormStats]:
    """`batch_norm` with features on `axis`, of one value too; `where` broadcasts from the right."""
    axes = distinct_axes("BatchNorm", "axis", axis, x.ndim)
    last = _features_last(x, axes)
    if where is not None:
        where = _features_last(jnp.broadcast_to(jnp.asarray(where, bool), x.shape), axes)
    shards = checked_shards("batch_norm", axis_name, axis_index_groups if axis_name else None)
    params, stats = _learned(scale, offset, stats, last)
    y, new = _batch_norm.train(params, stats, last, shards, num_axes=len(axes), least=1, where=where, **options)
    return _features_back(y, axes), new


def infer(scale: Any, offset: Any, stats: BatchNormStats, x: Array, axis: Any, *, eps: Any) -> Array:
    """`batch_norm_inference` with features on `axis`."""
    axes = distinct_axes("BatchNorm", "axis", axis, x.ndim)
    last = _features_last(x, axes)
    params, stats = _learned(scale, offset, stats, last)
    return _features_back(_batch_norm.infer(params, stats, last, num_axes=len(axes), eps=eps), axes)


def _learned(scale: Any, offset: Any, stats: BatchNormStats, x: Array) -> tuple[BatchNormParams, BatchNormStats]:
    mean, variance = stats
    if jnp.iscomplexobj(x):
        mean = mean.astype(promoted(mean.dtype, jnp.dtype(jnp.complex64)))
    scale = jnp.ones_like(variance) if scale is None else scale
    offset = jnp.zeros_like(variance) if offset is None else offset
    return BatchNormParams(scale, offset), BatchNormStats(mean, variance)


def _features_last(x: Array, axes: tuple[int, ...]) -> Array:
    return jnp.moveaxis(x, axes, range(-len(axes), 0))


def _features_back(y: Array, axes: tuple[int, ...]) -> Array:
    return jnp.moveaxis(y, range(-len(axes), 0), axes)
