"""flax's batch norm, built on the functions of `jreg.norm`."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import canonicalize_dtype
from jaxtyping import Array, Bool

from .. import norm
from .._core import dtypes
from .._core.checks import Checks
from .._core.layers import complex_if, distinct_axes, promoted, shifted, where_of


class BatchNorm(nn.BatchNorm):
    """flax's `BatchNorm` with `jreg.norm.batch_norm` inside: same constructor, same variables, and ghost batches.

    Differences from flax:
      - The variance is always taken in two passes and in float32 or wider: `use_fast_variance` has no effect.
      - Shards with different numbers of unmasked values are weighted by them.
      - The statistics carry no gradient.
      - `momentum` may be traced; one outside [0, 1] raises, or gives NaN if traced.
      - `epsilon` below 0 raises, or gives NaN if traced.
      - An axis that is out of range raises.
      - An empty batch raises in training; flax's statistics become NaN.

    A single value per feature, or a single one that a mask leaves, has variance 0 as in flax: the layer returns its
    bias and the running variance falls. By default `jreg.norm.batch_norm` refuses this.

    Args:
      ghost_size: examples per ghost batch, as in `jreg.norm.batch_norm`.
      use_running_average, axis, momentum, epsilon, dtype, param_dtype, use_bias, use_scale, bias_init, scale_init,
        axis_name, axis_index_groups, use_fast_variance, force_float32_reductions: as in flax.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer = linen.BatchNorm(use_running_average=False, momentum=0.5)
    >>> x = jnp.array([[1.0], [3.0]])
    >>> y, updated = layer.apply(layer.init(jax.random.key(0), x), x, mutable=["batch_stats"])
    >>> y.round(3).ravel().tolist(), updated["batch_stats"]["mean"].tolist()
    ([-1.0, 1.0], [1.0])
    """

    ghost_size: int | None = None

    @nn.compact
    def __call__(
        self, x: Array, use_running_average: bool | None = None, *, mask: Bool[Array, "..."] | None = None
    ) -> Array:
        use_running_average = nn.merge_param("use_running_average", self.use_running_average, use_running_average)
        axes = distinct_axes(Checks("BatchNorm"), "axis", self.axis, x.ndim)
        shape = tuple(x.shape[axis] for axis in axes)
        stored = jnp.float32 if self.force_float32_reductions else self.param_dtype
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, stored)
        var = self.variable("batch_stats", "var", jnp.ones, shape, stored)
        scale = self.param("scale", self.scale_init, shape, self.param_dtype) if self.use_scale else None
        bias = self.param("bias", self.bias_init, shape, self.param_dtype) if self.use_bias else None
        dtype = canonicalize_dtype(x, scale, bias, dtype=self.dtype)
        wide = x.astype(dtypes.widened(jnp.dtype(dtype)))
        params = norm.BatchNormParams(scale, bias)
        is_first = self.is_initializing()
        if use_running_average or (is_first and not x.size):
            stats = norm.BatchNormStats(complex_if(wide, mean.value), shifted(var.value, self.epsilon))
            return norm.batch_norm_inference(params, stats, wide, axis=axes, eps=0.0).astype(dtype)
        reduced = _reduction_dtype(x.dtype if self.dtype is None else self.dtype, self.force_float32_reductions)
        stats = norm.BatchNormStats(
            complex_if(wide, mean.value.astype(promoted(mean.value.dtype, reduced))),
            var.value.astype(promoted(var.value.dtype, dtypes.real(reduced))),
        )
        axis_name = None if is_first else self.axis_name
        y, moved = norm.batch_norm(
            params,
            stats,
            wide,
            decay=self.momentum,
            eps=self.epsilon,
            axis=axes,
            axis_name=axis_name,
            axis_index_groups=self.axis_index_groups if axis_name else None,
            ghost_size=None if is_first else self.ghost_size,
            where=where_of(mask, wide),
            min_values=1,
        )
        if not is_first:
            mean.value, var.value = (new.astype(old.dtype) for new, old in zip(moved, stats, strict=True))
        return y.astype(dtype)


def _reduction_dtype(dtype: Any, is_wide: bool) -> np.dtype:
    """The dtype in which flax takes statistics, and to which it promotes the stored ones."""
    given = jnp.dtype(dtype) if jnp.issubdtype(dtype, jnp.inexact) else jnp.dtype(jnp.float32)
    return dtypes.widened(given) if is_wide else given
