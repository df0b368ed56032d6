"""Batch norm: one function for training that returns new statistics, another for inference that cannot."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Inexact

from .._core import checks, dtypes, marks
from .._core.types import Number
from ._moments import Mask, Moments, Shards, centred_moments, pooled


class BatchNormParams(NamedTuple):
    """What is learned; `scale` and `offset` are no kernels, so the default selections leave them alone."""

    scale: Inexact[Array, " features"]
    offset: Inexact[Array, " features"]


class BatchNormStats(NamedTuple):
    """Running statistics, in float32 or wider."""

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
    eps: float = 1e-5,
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
      eps: added to the variance; above 0.
      axis_name: named axes (of `vmap`, `shard_map`) to take the statistics over: synchronous batch norm.
      axis_index_groups: groups of indices along `axis_name` that are synchronous among themselves, as in `lax.psum`.
      ghost_size: examples per ghost batch, which divides the first axis: each so many consecutive examples are
        normalized with their own statistics, on each shard for itself. The smaller, the stronger the noise. The running
        statistics are those of the whole batch (the paper's average of ghost variances is too small by 1 / ghost_size).
      where: which values count in the statistics; it broadcasts against x with as many axes. All are normalized. Fewer
        than two that count give NaN, in a ghost batch the statistics of the whole batch.
      ddof: 0 or 1: the variance that enters the running statistics is divided by n - ddof. 0 as in flax and Keras, 1 as
        in torch.

    Raises:
      ValueError: one value per feature or none, a feature count that is not that of params, a concrete decay outside
        [0, 1] (a traced one gives NaN), eps not above 0, ghost batches of one value or that do not divide the batch.
      TypeError: `where` holds no bools, or x is complex and the running mean is not.

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> params, stats = norm.init_batch_norm(1)
    >>> y, stats = norm.batch_norm(params, stats, jnp.array([[1.0], [3.0]]), decay=0.5)
    >>> y.round(3).ravel().tolist(), stats.mean.tolist()
    ([-1.0, 1.0], [1.0])

    Ioffe and Szegedy, Batch Normalization, ICML 2015; for ghost batches Hoffer et al., Train Longer, Generalize Better,
    NIPS 2017.
    """
    shards = Shards(axis_name, axis_index_groups)
    wide, where = checked_batch("batch_norm", params, stats, x, where, eps, shards)
    decay, ddof = checked_running("batch_norm", decay, ddof)
    if ghost_size is None:
        centred, variance, batch = whole_batch(wide, where, shards)
    else:
        _check_ghosts(x.shape, ghost_size)
        centred, variance, batch = _ghost_batches(wide, where, shards, ghost_size)
    scale, offset = (row(value.astype(wide.dtype), centred.ndim) for value in params)
    y = centred * (scale * lax.rsqrt(variance + eps).astype(wide.dtype)) + offset
    y = marks.returns("batch_norm", y.reshape(x.shape).astype(x.dtype))
    return y, moved(stats, batch, decay, ddof)


def batch_norm_inference(
    params: BatchNormParams, stats: BatchNormStats, x: Inexact[Array, "*batch features"], *, eps: float = 1e-5
) -> Inexact[Array, "*batch features"]:
    """Normalize with the running statistics; nothing of the batch enters, so each example stands alone.

        y = scale * (x - stats.mean) / sqrt(stats.variance + eps) + offset

    Raises:
      ValueError: a feature count that is not that of params, eps not above 0, or a concrete variance below 0 (a traced
        one gives NaN).
      TypeError: x is complex and the running mean is not.

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> params, stats = norm.init_batch_norm(1)
    >>> norm.batch_norm_inference(params, stats, jnp.array([[2.0]])).round(3).tolist()
    [[2.0]]

    Ioffe and Szegedy, Batch Normalization, ICML 2015.
    """
    name = "batch_norm_inference"
    wide = marks.reads(name, _checked(name, params, stats, x, eps))
    variance = row(_not_negative(name, stats.variance), x.ndim)
    scale, offset, mean = (row(value.astype(wide.dtype), x.ndim) for value in (*params, stats.mean))
    y = (wide - mean) * (scale * lax.rsqrt(variance + eps).astype(wide.dtype)) + offset
    return marks.returns(name, y.astype(x.dtype))


def whole_batch(x: Array, where: Mask, shards: Shards) -> tuple[Array, Array, Moments]:
    """x minus its mean, the variance to normalize it with, and the moments for the running statistics."""
    centred, batch = centred_moments(x, tuple(range(x.ndim - 1)), where, shards)
    batch = _of_two_or_more(batch, where)
    # A mean that became NaN must show in the result too: here by way of the variance.
    return centred, batch.variance, batch


def moved(stats: BatchNormStats, batch: Moments, decay: Array, ddof: int) -> BatchNormStats:
    """The running statistics after a batch; exactly the old ones at decay 1 and the batch's at 0, NaN or not."""
    unbiased = batch.variance * (batch.count / (batch.count - ddof))

    def move(old: Array, new: Array) -> Array:
        new, share = lax.stop_gradient(new).reshape(old.shape).astype(old.dtype), decay.astype(dtypes.real(old.dtype))
        blend = share.astype(old.dtype) * old + (1.0 - share).astype(old.dtype) * new
        return jnp.where(share == 1.0, old, jnp.where(share == 0.0, new, blend))

    return BatchNormStats(move(stats.mean, batch.mean), move(stats.variance, unbiased))


def checked_batch(
    function: str,
    params: BatchNormParams,
    stats: BatchNormStats,
    x: Array,
    where: Any,
    eps: float,
    shards: Shards,
) -> tuple[Array, Mask]:
    """Return a training batch in the dtype that statistics are taken in, and its mask in its shape."""
    wide = _checked(function, params, stats, x, eps)
    if x.size // x.shape[-1] * shards.number() < 2:
        raise ValueError(f"{function}: x must have two values or more per feature in training; got shape {x.shape}")
    if where is not None:
        if getattr(where, "dtype", None) is not np.dtype(bool):
            raise TypeError(f"{function}: where must be an array of bools; got {where!r}")
        where = jnp.broadcast_to(checks.broadcastable(function, "where", jnp.asarray(where), x.shape), x.shape)
    return marks.reads(function, wide), where


def checked_running(function: str, decay: Any, ddof: int) -> tuple[Array, int]:
    decay = checks.scalar(function, "decay", decay, 0.0, 1.0)
    if ddof not in (0, 1) or isinstance(ddof, bool):
        raise ValueError(f"{function}: ddof must be 0 or 1; got {ddof!r}")
    return decay, ddof


def _ghost_batches(x: Array, where: Mask, shards: Shards, ghost_size: int) -> tuple[Array, Array, Moments]:
    """As `whole_batch`, with the first axis split in two; the moments of each ghost batch are those of its shard."""
    shape = (-1, ghost_size, *x.shape[1:])
    kept = None if where is None else where.reshape(shape)
    centred, groups = centred_moments(x.reshape(shape), tuple(range(1, x.ndim)), kept, Shards())
    batch = _of_two_or_more(pooled(groups, shards), where)
    if where is None:
        return centred, groups.variance, batch
    is_too_few = groups.count < 2.0
    mean, variance = (jnp.where(is_too_few, *pair) for pair in zip(batch[:2], groups[:2], strict=True))
    return centred + (groups.mean - mean), variance, batch


def _of_two_or_more(batch: Moments, where: Mask) -> Moments:
    """NaN where a mask leaves fewer than two values; without a mask the shape has told."""
    if where is None:
        return batch
    is_enough = batch.count >= 2.0
    return batch._replace(
        mean=jnp.where(is_enough, batch.mean, jnp.nan), variance=jnp.where(is_enough, batch.variance, jnp.nan)
    )


def _checked(function: str, params: BatchNormParams, stats: BatchNormStats, x: Array, eps: float) -> Array:
    """Return x in the dtype that statistics are taken in."""
    x = checks.inexact(function, "x", x)
    features = x.shape[-1:]
    for argument, value in {**params._asdict(), **stats._asdict()}.items():
        if value.shape != features:
            raise ValueError(f"{function}: {argument} must have shape {features} for x {x.shape}; got {value.shape}")
    if jnp.iscomplexobj(x) and not jnp.iscomplexobj(stats.mean):
        raise TypeError(f"{function}: mean must be complex for x of {x.dtype}; got {stats.mean.dtype}")
    if not isinstance(eps, float) or not eps > 0.0:
        raise ValueError(f"{function}: eps must be a Python float above 0; got {eps!r}")
    return x.astype(dtypes.widened(x.dtype))


def _check_ghosts(shape: tuple[int, ...], ghost_size: int) -> None:
    size = checks.integer("batch_norm", "ghost_size", ghost_size)
    if len(shape) < 2 or shape[0] % size:
        raise ValueError(f"batch_norm: ghost_size must divide the first axis of x, of shape {shape}; got {size}")
    if size * int(np.prod(shape[1:-1])) < 2:
        raise ValueError(f"batch_norm: ghost_size must leave two values or more per feature; got {size} for {shape}")


def _not_negative(function: str, variance: Array) -> Array:
    if not checks.is_traced(variance) and np.any(np.asarray(variance) < 0.0):
        raise ValueError(f"{function}: variance must be at least 0; got {variance}")
    return jnp.where(variance < 0.0, jnp.nan, variance)


def row(features: Array, ndim: int) -> Array:
    return features.reshape((1,) * (ndim - 1) + features.shape)
