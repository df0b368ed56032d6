"""What a layer of batch norm needs beside the functions: features on any axes, and scale or offset left out."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from ._batch_norm import BatchNormParams, BatchNormStats, batch_norm, batch_norm_inference


def feature_axes(ndim: int, axis: Any) -> tuple[int, ...]:
    """The axes of the features, ascending and each once."""
    given = (axis,) if isinstance(axis, int) else axis
    return tuple(sorted({number % ndim for number in given}))


def train(scale: Any, offset: Any, stats: Any, x: Array, axis: Any, where: Any, **options: Any) -> tuple[Array, Any]:
    """`batch_norm` with features on `axis`; `where` broadcasts from the right. Statistics keep their shape."""
    axes = feature_axes(x.ndim, axis)
    if where is not None:
        where = _features_last(jnp.broadcast_to(jnp.asarray(where, bool), x.shape), axes)
    flat = _features_last(x, axes)
    y, new = batch_norm(*_learned(scale, offset, stats, flat), flat, where=where, **options)
    shape = jnp.shape(stats.mean)
    return _features_back(y, x, axes), BatchNormStats(new.mean.reshape(shape), new.variance.reshape(shape))


def infer(scale: Any, offset: Any, stats: Any, x: Array, axis: Any, *, eps: float) -> Array:
    """`batch_norm_inference` with features on `axis`."""
    axes = feature_axes(x.ndim, axis)
    flat = _features_last(x, axes)
    return _features_back(batch_norm_inference(*_learned(scale, offset, stats, flat), flat, eps=eps), x, axes)


def _learned(scale: Any, offset: Any, stats: Any, x: Array) -> tuple[BatchNormParams, BatchNormStats]:
    mean, variance = (jnp.reshape(value, -1) for value in stats)
    if jnp.iscomplexobj(x):
        mean = mean.astype(jnp.promote_types(mean.dtype, jnp.complex64))
    scale = jnp.ones_like(variance) if scale is None else jnp.reshape(scale, -1)
    offset = jnp.zeros_like(variance) if offset is None else jnp.reshape(offset, -1)
    return BatchNormParams(scale, offset), BatchNormStats(mean, variance)


def _features_last(x: Array, axes: tuple[int, ...]) -> Array:
    moved = jnp.moveaxis(x, axes, range(-len(axes), 0))
    return moved.reshape(*moved.shape[: -len(axes)], -1)


def _features_back(y: Array, x: Array, axes: tuple[int, ...]) -> Array:
    rest = [size for axis, size in enumerate(x.shape) if axis not in axes]
    return jnp.moveaxis(y.reshape(*rest, *(x.shape[axis] for axis in axes)), range(-len(axes), 0), axes)
