"""Batch norm: one function for training that returns new statistics, another for inference that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Inexact

from .._core import checks
from .._core.checks import Checks
from .._core.types import Number
from ._inputs import (
    BatchNormParams,
    BatchNormStats,
    checked,
    checked_ghosts,
    checked_least,
    checked_running,
    checked_where,
)
from ._normalize import ghost_batches, moved, row, scaled, whole_batch
from ._shards import checked_shards


def init_batch_norm(num_features: int) -> tuple[BatchNormParams, BatchNormStats]:
    """Parameters and running statistics that make inference the identity: scale 1, offset 0, mean 0, variance 1.

    Args:
      num_features: the length of each of them.

    >>> from jreg import norm
    >>> params, stats = norm.init_batch_norm(3)
    >>> stats.variance.tolist()
    [1.0, 1.0, 1.0]
    """
    num_features = Checks("init_batch_norm").integer("num_features", num_features)
    zeros, ones = jnp.zeros(num_features, jnp.float32), jnp.ones(num_features, jnp.float32)
    return BatchNormParams(scale=ones, offset=zeros), BatchNormStats(mean=zeros, variance=ones)


def batch_norm(
    params: BatchNormParams,
    stats: BatchNormStats,
    x: Inexact[Array, "*batch features"],
    *,
    decay: Number = 0.99,
    eps: Number = 1e-5,
    axis: int | Sequence[int] = -1,
    axis_name: str | tuple[str, ...] | None = None,
    axis_index_groups: Any = None,
    ghost_size: int | None = None,
    where: Bool[Array, "..."] | None = None,
    ddof: int = 0,
    min_values: int = 2,
) -> tuple[Inexact[Array, "*batch features"], BatchNormStats]:
    """Normalize with the statistics of the batch, and move the running statistics towards them.

        y = scale * (x - mean) / sqrt(variance + eps) + offset
        running = decay * running + (1 - decay) * batch

    Mean and variance are over all axes but that of the features, in two passes, in float32 or wider; under `jit` over
    the whole batch, sharded or not. y is normalized with the biased variance (divided by n). To freeze the statistics,
    as in fine-tuning, call `batch_norm_inference` in training: it has gradients too, and returns no statistics.

    Args:
      params: what is learned, such as from `init_batch_norm`; a scale or an offset of None is left out.
      stats: the running statistics, float32 or wider.
      x: at least `min_values` values per feature; y keeps its dtype. One NaN spoils its feature.
      decay: share of the old statistics that stays, in [0, 1], exactly so at both ends; torch's momentum is 1 - decay.
      eps: added to the variance; finite and at least 0. At 0 a feature of one value throughout gives NaN.
      axis: the axis of the features, or several; 1 for channels first. Params and statistics have their shape.
      axis_name: named axes (of `vmap`, `shard_map`) to take the statistics over: synchronous batch norm.
      axis_index_groups: groups of indices along `axis_name` that are synchronous among themselves, as in `lax.psum`,
        of any sizes. JAX sums in groups only in a `shard_map` with `check_vma=False`.
      ghost_size: examples per ghost batch, which divides the first axis: each run of `ghost_size` consecutive examples
        is normalized with its own statistics, on each shard for itself. The smaller, the stronger the noise. The
        running statistics are those of the whole batch (the paper's average of ghost variances is too small by
        1 / ghost_size).
      where: which values count in the statistics; it broadcasts against x with as many axes. All are normalized. Where
        fewer than `min_values` count, the result is NaN; in a ghost batch of fewer than two, the statistics are those
        of the whole batch.
      ddof: 0 or 1: the variance that enters the running statistics is divided by n - ddof. 0 as in flax and Keras, 1 as
        in torch.
      min_values: fewer values per feature are refused. 1 accepts a single value, whose variance is 0, as flax does.

    Raises:
      ValueError: fewer values per feature than `min_values`, a feature count that is not that of params, a concrete
        decay outside [0, 1], eps below 0 or not finite (traced ones give NaN), ghost batches of one value or that do
        not divide the batch, groups that do not hold each index once or that JAX cannot sum in.
      TypeError: params or stats of another type, `where` that holds no bools, or x that is complex while the running
        mean is not.

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> params, stats = norm.init_batch_norm(1)
    >>> y, stats = norm.batch_norm(params, stats, jnp.array([[1.0], [3.0]]), decay=0.5)
    >>> y.round(3).ravel().tolist(), stats.mean.tolist()
    ([-1.0, 1.0], [1.0])

    Ioffe and Szegedy, Batch Normalization, ICML 2015; for ghost batches Hoffer et al., Train Longer, Generalize Better,
    NIPS 2017.
    """
    check = Checks("batch_norm")
    shards = checked_shards(check, axis_name, axis_index_groups)
    batch = checked(check, params, stats, x, eps, axis)
    least, where = checked_least(check, min_values, batch, shards), checked_where(check, where, batch)
    decay, ddof = checked_running(check, decay, ddof)
    options = batch.wide, batch.num_axes, where, shards, least
    if ghost_size is None:
        centred, variance, moments = whole_batch(*options)
    else:
        centred, variance, moments = ghost_batches(*options, checked_ghosts(check, ghost_size, batch))
    y = batch.restored(scaled(batch.params, centred, variance, batch.eps))
    return check.returns(y), moved(batch.stats, moments, decay, ddof)


def batch_norm_inference(
    params: BatchNormParams,
    stats: BatchNormStats,
    x: Inexact[Array, "*batch features"],
    *,
    eps: Number = 1e-5,
    axis: int | Sequence[int] = -1,
) -> Inexact[Array, "*batch features"]:
    """Normalize with the running statistics; nothing of the batch enters, so each example stands alone.

        y = scale * (x - stats.mean) / sqrt(stats.variance + eps) + offset

    Args:
      params, stats, eps, axis: as in `batch_norm`.
      x: a batch, or a single example; y keeps its dtype.

    Raises:
      ValueError: a feature count that is not that of params, eps below 0 or not finite, or a variance below 0 (traced
        ones give NaN).
      TypeError: params or stats of another type, or x that is complex while the running mean is not.

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> params, stats = norm.init_batch_norm(1)
    >>> norm.batch_norm_inference(params, stats, jnp.array([[2.0]])).round(3).tolist()
    [[2.0]]

    Ioffe and Szegedy, Batch Normalization, ICML 2015.
    """
    check = Checks("batch_norm_inference")
    batch = checked(check, params, stats, x, eps, axis)
    mean, variance = batch.stats.mean.astype(batch.wide.dtype), _not_negative(check, batch.stats.variance)
    y = scaled(batch.params, batch.wide - row(mean, x.ndim), row(variance, x.ndim), batch.eps)
    return check.returns(batch.restored(y))


def _not_negative(check: Checks, variance: Array) -> Array:
    if not checks.is_traced(variance) and np.any(np.asarray(variance) < 0.0):
        raise ValueError(f"{check}: variance must be at least 0; got {variance}")
    return jnp.where(variance < 0.0, jnp.nan, variance)
