"""Batch norm: one function for training that returns new statistics, another for inference that cannot.

The variance is taken in two passes, the mean first: E[x^2] - E[x]^2 cancels for a large mean (mean 1e4, standard
deviation 1 in float32 then gives an output of standard deviation 342).
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .._core import checks, dtypes, marks
from .._core.types import Number


class BatchNormParams(NamedTuple):
    """What is learned; `scale` and `offset` are no kernels, so the default selections leave them alone."""

    scale: Float[Array, " features"]
    offset: Float[Array, " features"]


class BatchNormStats(NamedTuple):
    """Running statistics, in float32 or wider."""

    mean: Float[Array, " features"]
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
    x: Float[Array, "*batch features"],
    *,
    decay: Number = 0.99,
    eps: float = 1e-5,
    axis_name: str | tuple[str, ...] | None = None,
) -> tuple[Float[Array, "*batch features"], BatchNormStats]:
    """Normalize with the statistics of the batch, and move the running statistics towards them.

        y = scale * (x - mean) / sqrt(variance + eps) + offset
        running = decay * running + (1 - decay) * batch

    Mean and variance are over all axes but the last, in float32 or wider. The variance is the biased one (divided by n)
    in both places; torch stores the unbiased one and calls 1 - decay its momentum.

    Args:
      x: at least two values per feature; y keeps its dtype.
      decay: share of the old statistics that stays, in [0, 1].
      eps: added to the variance; above 0.
      axis_name: named axes (of `vmap`, `shard_map`) to average the statistics over: synchronous batch norm.

    Raises:
      ValueError: one value per feature or none, a feature count that is not that of params, a concrete decay outside
        [0, 1] (a traced one gives NaN), eps not above 0.

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> params, stats = norm.init_batch_norm(1)
    >>> y, stats = norm.batch_norm(params, stats, jnp.array([[1.0], [3.0]]), decay=0.5)
    >>> y.round(3).ravel().tolist(), stats.mean.tolist()
    ([-1.0, 1.0], [1.0])

    Ioffe and Szegedy, Batch Normalization, ICML 2015.
    """
    wide = _checked("batch_norm", params, stats, x, eps)
    decay = checks.broadcastable("batch_norm", "decay", checks.rate("batch_norm", decay, "decay"), ())
    rows = x.size // x.shape[-1] * (1 if axis_name is None else lax.axis_size(axis_name))
    if rows < 2:
        raise ValueError(f"batch_norm: x must have two values or more per feature in training; got shape {x.shape}")
    wide = marks.reads("batch_norm", wide)
    reduced = tuple(range(x.ndim - 1))
    mean = _mean(wide, reduced, axis_name)
    centred = wide - _row(mean, x.ndim)
    batch = BatchNormStats(mean, _mean(centred**2, reduced, axis_name))
    y = _normalize(params, batch, wide, eps).astype(x.dtype)
    running = BatchNormStats(*(_moved(old, new, decay) for old, new in zip(stats, batch, strict=True)))
    return marks.returns("batch_norm", y), running


def batch_norm_inference(
    params: BatchNormParams, stats: BatchNormStats, x: Float[Array, "*batch features"], *, eps: float = 1e-5
) -> Float[Array, "*batch features"]:
    """Normalize with the running statistics; nothing of the batch enters, so each example stands alone.

        y = scale * (x - stats.mean) / sqrt(stats.variance + eps) + offset

    Raises:
      ValueError: a feature count that is not that of params, or eps not above 0.

    >>> import jax.numpy as jnp
    >>> from jreg import norm
    >>> params, stats = norm.init_batch_norm(1)
    >>> norm.batch_norm_inference(params, stats, jnp.array([[2.0]])).round(3).tolist()
    [[2.0]]

    Ioffe and Szegedy, Batch Normalization, ICML 2015.
    """
    wide = marks.reads("batch_norm_inference", _checked("batch_norm_inference", params, stats, x, eps))
    return marks.returns("batch_norm_inference", _normalize(params, stats, wide, eps).astype(x.dtype))


def _checked(function: str, params: BatchNormParams, stats: BatchNormStats, x: Array, eps: float) -> Array:
    """Return x in the dtype that statistics are taken in."""
    x = checks.floating(function, "x", x)
    features = x.shape[-1:]
    for argument, value in {**params._asdict(), **stats._asdict()}.items():
        if value.shape != features:
            raise ValueError(f"{function}: {argument} must have shape {features} for x {x.shape}; got {value.shape}")
    if not isinstance(eps, float) or not eps > 0.0:
        raise ValueError(f"{function}: eps must be a Python float above 0; got {eps!r}")
    return x.astype(dtypes.widened(x.dtype))


def _mean(x: Array, axes: tuple[int, ...], axis_name: str | tuple[str, ...] | None) -> Array:
    mean = jnp.mean(x, axes)
    return mean if axis_name is None else lax.pmean(mean, axis_name)


def _moved(old: Array, new: Array, decay: Array) -> Array:
    decay = decay.astype(old.dtype)
    return decay * old + (1.0 - decay) * lax.stop_gradient(new).astype(old.dtype)


def _normalize(params: BatchNormParams, stats: BatchNormStats, x: Array, eps: float) -> Array:
    """One multiplication and one subtraction per element; the rest is per feature."""
    scale, offset, mean, variance = (_row(value.astype(x.dtype), x.ndim) for value in (*params, *stats))
    return (x - mean) * (scale * lax.rsqrt(variance + eps)) + offset


def _row(features: Array, ndim: int) -> Array:
    return features.reshape((1,) * (ndim - 1) + features.shape)
