"""Batch renormalization: batch norm whose training output equals that of inference, within bounds."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from .._core.checks import Checks
from .._core.types import Number
from ._inputs import BatchNormParams, BatchNormStats, checked, checked_least, checked_running, checked_where
from ._normalize import moved, row, whole_batch
from ._shards import checked_shards


def batch_renorm(
    params: BatchNormParams,
    stats: BatchNormStats,
    x: Float[Array, "*batch features"],
    r_max: Number,
    d_max: Number,
    *,
    decay: Number = 0.99,
    eps: Number = 1e-5,
    axis_name: str | tuple[str, ...] | None = None,
    where: Bool[Array, "..."] | None = None,
    ddof: int = 0,
) -> tuple[Float[Array, "*batch features"], BatchNormStats]:
    """Normalize with the statistics of the batch, corrected towards the result of the running statistics.

        y = scale * ((x - mean) / std * r + d) + offset
        r = clip(std / running_std, 1 / r_max, r_max),   d = clip((mean - running_mean) / running_std, -d_max, d_max)

    Use it for small batches, whose own statistics are far from those of inference. std is sqrt(variance + eps); the
    gradient treats r and d as constants. Within the bounds y is what `batch_norm_inference` returns; r_max 1 and d_max
    0 give `batch_norm`. The paper starts there and raises them to 3 and 5: use `optax.linear_schedule`, as traced
    numbers are accepted.

    Args:
      params, stats: as in `batch_norm`.
      x: at least two values per feature; y keeps its dtype.
      r_max: bound on r, at least 1.
      d_max: bound on d, at least 0.
      decay, eps, axis_name, where, ddof: as in `batch_norm`.

    Raises:
      ValueError: whatever `batch_norm` refuses, r_max below 1, or d_max below 0 (traced ones give NaN).

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> params, stats = norm.init_batch_norm(1)
    >>> y, _ = norm.batch_renorm(params, stats, jnp.array([[1.0], [3.0]]), 3.0, 5.0)
    >>> [f"{value:.3f}" for value in y.ravel()]
    ['1.000', '3.000']

    Ioffe, Batch Renormalization: Towards Reducing Minibatch Dependence in Batch-Normalized Models, NIPS 2017.
    """
    check = Checks("batch_renorm")
    shards = checked_shards(check, axis_name)
    x = check.floating("x", x)
    batch = checked(check, params, stats, x, eps)
    least, where = checked_least(check, 2, batch, shards), checked_where(check, where, batch)
    decay, ddof = checked_running(check, decay, ddof)
    wide = batch.wide
    limits = check.scalar("r_max", r_max, 1.0), check.scalar("d_max", d_max, 0.0)
    r_max, d_max, eps = (value.astype(wide.dtype) for value in (*limits, batch.eps))
    centred, variance, moments = whole_batch(wide, 1, where, shards, least)
    features: Any = (*batch.params, *batch.stats)
    scale, offset, mean, running = (row(value.astype(wide.dtype), x.ndim) for value in features)
    r = lax.stop_gradient(jnp.clip(jnp.sqrt((variance + eps) / (running + eps)), 1.0 / r_max, r_max))
    d = lax.stop_gradient(jnp.clip((moments.mean - mean) * lax.rsqrt(running + eps), -d_max, d_max))
    y = centred * (scale * r * lax.rsqrt(variance + eps)) + (scale * d + offset)
    return check.returns(y.astype(x.dtype)), moved(batch.stats, moments, decay, ddof)
