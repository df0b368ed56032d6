"""Batch norm: one function for training that returns new statistics, another for inference that cannot."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Inexact

from .._core import checks, dtypes, marks
from .._core.placement import placed_like
from .._core.types import Number
from ._moments import Mask
from ._normalize import ghost_batches, moved, row, scaled, whole_batch
from ._shards import Shards, checked_shards


class BatchNormParams(NamedTuple):
    """What is learned; `scale` and `offset` are no kernels, so the default selections leave them alone."""

    scale: Inexact[Array, " features"]
    offset: Inexact[Array, " features"]


class BatchNormStats(NamedTuple):
    """Running statistics. They move in float32 or wider: what is given narrower comes back in float32."""

    mean: Inexact[Array, " features"]
    variance: Float[Array, " features"]


def init_batch_norm(num_features: int) -> tuple[BatchNormParams, BatchNormStats]:
    """Parameters and running statistics that make inference the identity: scale 1, offset 0, mean 0, variance 1.

    >>> from jreg import norm
    >>> params, stats = norm.init_batch_norm(3)
    >>> stats.variance.tolist()
    [1.0, 1.0, 1.0]
    """
    num_features = checks.integer("init_batch_norm", "num_features", num_features)
    zeros, ones = jnp.zeros(num_features, jnp.float32), jnp.ones(num_features, jnp.float32)
    return BatchNormParams(scale=ones, offset=zeros), BatchNormStats(mean=zeros, variance=ones)


def batch_norm(
    params: BatchNormParams,
    stats: BatchNormStats,
    x: Inexact[Array, "*batch features"],
    *,
    decay: Number = 0.99,
    eps: Number = 1e-5,
    axis_name: str | tuple[str, ...] | None = None,
    axis_index_groups: Any = None,
    ghost_size: int | None = None,
    where: Bool[Array, "..."] | None = None,
    ddof: int = 0,
) -> tuple[Inexact[Array, "*batch features"], BatchNormStats]:
    """Normalize with the statistics of the batch, and move the running statistics towards them.

        y = scale * (x - mean) / sqrt(variance + eps) + offset
        running = decay * running + (1 - decay) * batch

    Mean and variance are over all axes but the last, in two passes, in float32 or wider; under `jit` over the whole
    batch, sharded or not. y is normalized with the biased variance (divided by n). To freeze the statistics, as in
    fine-tuning, call `batch_norm_inference` in training: it has gradients too, and returns no statistics.

    Args:
      x: at least two values per feature; y keeps its dtype. One NaN spoils its feature.
      decay: share of the old statistics that stays, in [0, 1], exactly so at both ends; torch's momentum is 1 - decay.
      eps: added to the variance; finite and at least 0. At 0 a feature of one value throughout gives NaN.
      axis_name: named axes (of `vmap`, `shard_map`) to take the statistics over: synchronous batch norm.
      axis_index_groups: groups of indices along `axis_name` that are synchronous among themselves, as in `lax.psum`,
        of any sizes. JAX sums in groups only in a `shard_map` with `check_vma=False`.
      ghost_size: examples per ghost batch, which divides the first axis: each so many consecutive examples are
        normalized with their own statistics, on each shard for itself. The smaller, the stronger the noise. The running
        statistics are those of the whole batch (the paper's average of ghost variances is too small by 1 / ghost_size).
      where: which values count in the statistics; it broadcasts against x with as many axes. All are normalized. Fewer
        than two that count give NaN, in a ghost batch the statistics of the whole batch.
      ddof: 0 or 1: the variance that enters the running statistics is divided by n - ddof. 0 as in flax and Keras, 1 as
        in torch.

    Raises:
      ValueError: one value per feature or none, a feature count that is not that of params, a concrete decay outside
        [0, 1], eps below 0 or not finite (traced ones give NaN), ghost batches of one value or that do not divide the
        batch, groups that do not hold each index once or that JAX cannot sum in.
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
    shards = checked_shards("batch_norm", axis_name, axis_index_groups)
    return train(params, stats, x, shards, decay=decay, eps=eps, ghost_size=ghost_size, where=where, ddof=ddof)


def batch_norm_inference(
    params: BatchNormParams, stats: BatchNormStats, x: Inexact[Array, "*batch features"], *, eps: Number = 1e-5
) -> Inexact[Array, "*batch features"]:
    """Normalize with the running statistics; nothing of the batch enters, so each example stands alone.

        y = scale * (x - stats.mean) / sqrt(stats.variance + eps) + offset

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
    name = "batch_norm_inference"
    wide, stats, eps = _checked(name, params, stats, x, eps)
    return _inferred(params, stats._replace(variance=_not_negative(name, stats.variance)), x, wide, eps)


def train(
    params: BatchNormParams,
    stats: BatchNormStats,
    x: Array,
    shards: Shards,
    *,
    num_axes: int = 1,
    least: int = 2,
    decay: Any,
    eps: Any,
    ghost_size: int | None,
    where: Any,
    ddof: int = 0,
) -> tuple[Array, BatchNormStats]:
    """`batch_norm` with `num_axes` axes of features; fewer than `least` values per feature are refused, or give NaN."""
    wide, stats, eps, where = checked_batch("batch_norm", params, stats, x, where, eps, shards, num_axes, least)
    decay, ddof = checked_running("batch_norm", decay, ddof)
    if ghost_size is None:
        centred, variance, batch = whole_batch(wide, num_axes, where, shards, least)
    else:
        _check_ghosts(x.shape, num_axes, ghost_size)
        centred, variance, batch = ghost_batches(wide, num_axes, where, shards, least, ghost_size)
    y = scaled(params, centred, variance, eps)
    y = marks.returns("batch_norm", y.reshape(x.shape).astype(x.dtype))
    return y, moved(stats, batch, decay, ddof)


def infer(params: BatchNormParams, stats: BatchNormStats, x: Array, *, num_axes: int, eps: Any) -> Array:
    """`batch_norm_inference` with `num_axes` axes of features, and NaN where variance + eps is below 0."""
    wide, stats, eps = _checked("batch_norm_inference", params, stats, x, eps, num_axes)
    return _inferred(params, stats, x, wide, eps)


def checked_batch(
    function: str,
    params: BatchNormParams,
    stats: BatchNormStats,
    x: Array,
    where: Any,
    eps: Any,
    shards: Shards,
    num_axes: int = 1,
    least: int = 2,
) -> tuple[Array, BatchNormStats, Array, Mask]:
    """Return a training batch and its statistics in the dtypes to compute in, eps, and the mask in x's shape."""
    wide, stats, eps = _checked(function, params, stats, x, eps, num_axes)
    if math.prod(x.shape[: x.ndim - num_axes]) * shards.fewest() < least:
        number = "two values" if least == 2 else "one value"
        raise ValueError(f"{function}: x must have {number} or more per feature in training; got shape {x.shape}")
    if where is not None:
        if getattr(where, "dtype", None) is not np.dtype(bool):
            raise TypeError(f"{function}: where must be an array of bools; got {where!r}")
        where = jnp.broadcast_to(checks.broadcastable(function, "where", jnp.asarray(where), x.shape), x.shape)
        where = placed_like(where, wide)
    return marks.reads(function, wide), stats, eps, where


def checked_running(function: str, decay: Any, ddof: int) -> tuple[Array, int]:
    decay = checks.scalar(function, "decay", decay, 0.0, 1.0)
    if checks.integer(function, "ddof", ddof, low=0) > 1:
        raise ValueError(f"{function}: ddof must be 0 or 1; got {checks.shown(ddof)}")
    return decay, ddof


def _inferred(params: BatchNormParams, stats: BatchNormStats, x: Array, wide: Array, eps: Array) -> Array:
    wide = marks.reads("batch_norm_inference", wide)
    centred = wide - row(stats.mean.astype(wide.dtype), x.ndim)
    y = scaled(params, centred, row(stats.variance, x.ndim), eps)
    return marks.returns("batch_norm_inference", y.astype(x.dtype))


def _checked(
    function: str, params: BatchNormParams, stats: BatchNormStats, x: Array, eps: Any, num_axes: int = 1
) -> tuple[Array, BatchNormStats, Array]:
    """Return x and the statistics in the dtypes to compute in, and eps."""
    x = checks.inexact(function, "x", x)
    features = x.shape[-num_axes:] if num_axes else ()
    for argument, value, kind in (("params", params, BatchNormParams), ("stats", stats, BatchNormStats)):
        if not isinstance(value, kind):
            raise TypeError(f"{function}: {argument} must be a {kind.__name__}; got {type(value).__name__}")
        for name, leaf in value._asdict().items():
            if checks.inexact(function, name, leaf).shape != features:
                raise ValueError(f"{function}: {name} must have shape {features} for x {x.shape}; got {leaf.shape}")
    if jnp.iscomplexobj(x) and not jnp.iscomplexobj(stats.mean):
        raise TypeError(f"{function}: mean must be complex for x of {x.dtype}; got {stats.mean.dtype}")
    wide_stats = BatchNormStats(*(value.astype(dtypes.widened(value.dtype)) for value in stats))
    eps = checks.scalar(function, "eps", eps, 0.0, ends="[)")
    return x.astype(dtypes.widened(x.dtype)), wide_stats, eps


def _check_ghosts(shape: tuple[int, ...], num_axes: int, ghost_size: int) -> None:
    size, num_counted = checks.integer("batch_norm", "ghost_size", ghost_size), len(shape) - num_axes
    if num_counted < 1 or shape[0] % size:
        raise ValueError(f"batch_norm: ghost_size must divide the first axis of x, of shape {shape}; got {size}")
    if size * math.prod(shape[1:num_counted]) < 2:
        raise ValueError(f"batch_norm: ghost_size must leave two values or more per feature; got {size} for {shape}")


def _not_negative(function: str, variance: Array) -> Array:
    if not checks.is_traced(variance) and np.any(np.asarray(variance) < 0.0):
        raise ValueError(f"{function}: variance must be at least 0; got {variance}")
    return jnp.where(variance < 0.0, jnp.nan, variance)
