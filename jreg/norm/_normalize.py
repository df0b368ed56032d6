"""The arithmetic of batch norm; the features are the last axes of x, as many as the statistics have axes."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from .._core import dtypes
from .._core.placement import placed_like
from ._moments import Mask, Moments, centred_moments, pooled
from ._shards import Shards


def whole_batch(x: Array, num_axes: int, where: Mask, shards: Shards, least: int) -> tuple[Array, Array, Moments]:
    """Return x minus its mean, the variance to normalize it with, and the moments for the running statistics.

    The moments are over all axes but the last `num_axes`, and NaN where a mask leaves fewer than `least` values.
    """
    centred, batch = centred_moments(x, tuple(range(x.ndim - num_axes)), where, shards)
    batch = _of_enough(batch, where, least)
    # Where the mean became NaN the result must be NaN too; it is, because the variance is.
    return centred, batch.variance, batch


def ghost_batches(
    x: Array, num_axes: int, where: Mask, shards: Shards, least: int, ghost_size: int
) -> tuple[Array, Array, Moments]:
    """Like `whole_batch`, with the first axis split into ghost batches, each with moments from its own shard."""
    shape = (-1, ghost_size, *x.shape[1:])
    kept = None if where is None else where.reshape(shape)
    centred, groups = centred_moments(x.reshape(shape), tuple(range(1, x.ndim + 1 - num_axes)), kept, Shards())
    batch = _of_enough(pooled(groups, shards), where, least)
    if where is None:
        return centred, groups.variance, batch
    is_too_few = groups.count < 2.0
    mean, variance = (jnp.where(is_too_few, *pair) for pair in zip(batch[:2], groups[:2], strict=True))
    return centred + (groups.mean - mean), variance, batch


def scaled(params: Any, centred: Array, variance: Array, eps: Array) -> Array:
    """scale * centred / sqrt(variance + eps) + offset."""
    scale, offset = (row(value.astype(centred.dtype), centred.ndim) for value in params)
    return centred * (scale * lax.rsqrt(variance + eps.astype(variance.dtype)).astype(centred.dtype)) + offset


def moved(stats: Any, batch: Moments, decay: Array, ddof: int) -> Any:
    """Update the running statistics: exactly the old ones at decay 1 and the batch's at 0, NaN in the others or not."""
    unbiased = batch.variance * (batch.count / (batch.count - ddof))

    def move(old: Array, new: Array) -> Array:
        new = jnp.squeeze(lax.stop_gradient(new), tuple(range(new.ndim - old.ndim)))
        new, share = placed_like(new, old).astype(old.dtype), decay.astype(dtypes.real(old.dtype))
        blend = share.astype(old.dtype) * old + (1.0 - share).astype(old.dtype) * new
        return jnp.where(share == 1.0, old, jnp.where(share == 0.0, new, blend))

    return stats._replace(mean=move(stats.mean, batch.mean), variance=move(stats.variance, unbiased))


def row(features: Array, ndim: int) -> Array:
    return jnp.expand_dims(features, tuple(range(ndim - features.ndim)))


def _of_enough(batch: Moments, where: Mask, least: int) -> Moments:
    """Set moments to NaN where a mask leaves fewer than `least` values; without a mask, the shape has been checked."""
    if where is None:
        return batch
    is_enough = batch.count >= least
    return batch._replace(
        mean=jnp.where(is_enough, batch.mean, jnp.nan), variance=jnp.where(is_enough, batch.variance, jnp.nan)
    )
