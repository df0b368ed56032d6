"""Batch norm: a function for training that returns new statistics, and one for inference that does not."""

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
    """Make params and statistics for which inference is the identity: scale 1, offset 0, mean 0, variance 1.

    Args:
      num_features: the length of each array.

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

    Mean and variance are taken over all axes but the feature axes, in two passes, in float32 or wider; under `jit` they
    cover the whole batch, sharded or not. y is normalized with the biased variance (divided by n). To freeze the
    statistics, as in fine-tuning, call `batch_norm_inference` in training: it is differentiable too, and returns no
    statistics.

    Args:
      params: the learned parameters, such as those of `init_batch_norm`; a scale or an offset of None is left out.
      stats: the running statistics, float32 or wider.
      x: at least `min_values` values per feature; y keeps its dtype. One NaN makes its whole feature NaN.
      decay: share of the old statistics that is kept, in [0, 1], exact at both ends; torch's momentum is 1 - decay.
      eps: added to the variance; finite and at least 0. At 0 a constant feature gives NaN.
      axis: the feature axis, or several; 1 for channels first. Params and statistics have the shape of these axes.
      axis_name: named axes (of `vmap`, `shard_map`) to take the statistics over: synchronous batch norm.
      axis_index_groups: groups of indices along `axis_name`, as in `lax.psum` and of any sizes; each group has its own
        statistics. JAX sums in groups only in a `shard_map` with `check_vma=False`.
      ghost_size: examples per ghost batch; it must divide the first axis. Each run of `ghost_size` consecutive examples
        is normalized with its own statistics, separately on each shard. Smaller ghost batches give stronger noise. The
        running statistics are those of the whole batch (the paper's average of ghost variances is too small by
        1 / ghost_size).
      where: which values count in the statistics; it has x's number of axes and broadcasts against x. All values are
        normalized. If fewer than `min_values` count, the result is NaN; a ghost batch in which fewer than two count
        uses the statistics of the whole batch.
      ddof: 0 as in flax and Keras, or 1 as in torch: the variance that enters the running statistics is divided by
        n - ddof.
      min_values: the fewest values per feature that are accepted. 1 accepts a single value, whose variance is 0, as
        flax does.

    Raises:
      ValueError: fewer values per feature than `min_values`, a feature count that differs from that of params, a
        concrete decay outside [0, 1], eps below 0 or not finite (traced ones give NaN), ghost batches that hold one
        value or do not divide the batch, or groups that do not hold each index once or in which JAX cannot sum.
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
    """Normalize with the running statistics, each example independently of the others.

        y = scale * (x - stats.mean) / sqrt(stats.variance + eps) + offset

    Args:
      params, stats, eps, axis: as in `batch_norm`.
      x: a batch, or a single example; y keeps its dtype.

    Raises:
      ValueError: a feature count that differs from that of params, eps below 0 or not finite, or a variance below 0
        (traced ones give NaN).
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
