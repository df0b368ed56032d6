"""flax's batch norm, built on the functions of `jreg.norm`."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.dtypes import canonicalize_dtype
from jaxtyping import Array, Bool

from .. import norm
from .._core import dtypes
from .._core.checks import Checks
from .._core.layers import complex_if, distinct_axes, shifted, where_of
from ._key import mode, number
from ._signature import Signed


class BatchNorm(Signed, nnx.BatchNorm):
    """flax's `BatchNorm` with `jreg.norm.batch_norm` inside: same constructor, same variables, and ghost batches.

    Differences from flax:
      - The variance is always taken in two passes: `use_fast_variance` has no effect.
      - Shards with different numbers of unmasked values are weighted by them.
      - The statistics carry no gradient. They are updated in float32 or wider: if cast to fewer bits, they become
        float32 again.
      - `momentum` may be an array or an `nnx.Variable`; one outside [0, 1] raises, or gives NaN if traced.
      - `epsilon` below 0 raises, or gives NaN if traced.
      - An axis that is out of range raises.
      - An empty batch raises in training; flax's statistics become NaN.

    A single value per feature, or a single one that a mask leaves, has variance 0 as in flax: the layer returns its
    bias and the running variance falls. By default `jreg.norm.batch_norm` refuses this.

    Args:
      ghost_size: examples per ghost batch, as in `jreg.norm.batch_norm`.
      num_features, use_running_average, axis, momentum, epsilon, dtype, param_dtype, use_bias, use_scale, bias_init,
        scale_init, axis_name, axis_index_groups, use_fast_variance, promote_dtype, rngs, bias_metadata,
        scale_metadata: as in flax.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> layer = nnx.BatchNorm(1, momentum=0.5, rngs=flax_nnx.Rngs(0))
    >>> layer(jnp.array([[1.0], [3.0]])).round(3).ravel().tolist(), layer.mean[...].tolist()
    ([-1.0, 1.0], [1.0])
    """

    def __init__(self, num_features: int, *, ghost_size: int | None = None, **options: Any):
        super().__init__(num_features, **options)
        self.ghost_size = ghost_size

    def __call__(
        self, x: Array, use_running_average: bool | None = None, *, mask: Bool[Array, "..."] | None = None
    ) -> Array:
        use_running_average = mode(self, "use_running_average", use_running_average)
        scale, bias = (None if value is None else value[...] for value in (self.scale, self.bias))
        mean, variance = self.mean[...], self.var[...]
        x, _, _, scale, bias = self.promote_dtype((x, mean, variance, scale, bias), dtype=self.dtype)
        dtype = canonicalize_dtype(x, scale, bias, dtype=self.dtype)
        wide = x.astype(dtypes.widened(jnp.dtype(dtype)))
        params, mean = norm.BatchNormParams(scale, bias), complex_if(wide, mean)
        axes, eps = distinct_axes(Checks("BatchNorm"), "axis", self.axis, x.ndim), number(self.epsilon)
        if use_running_average:
            stats = norm.BatchNormStats(mean, shifted(variance, eps))
            return norm.batch_norm_inference(params, stats, wide, eps=0.0, axis=axes).astype(dtype)
        y, stats = norm.batch_norm(
            params,
            norm.BatchNormStats(mean, variance),
            wide,
            decay=number(self.momentum),
            eps=eps,
            axis=axes,
            axis_name=self.axis_name,
            axis_index_groups=self.axis_index_groups if self.axis_name else None,
            ghost_size=self.ghost_size,
            where=where_of(mask, wide),
            min_values=1,
        )
        _store(self.mean, stats.mean)
        _store(self.var, stats.variance)
        return y.astype(dtype)


def _store(variable: Any, value: Array) -> None:
    """Change a variable in place, or replace its value if the dtype differs."""
    if variable[...].dtype == value.dtype:
        variable[...] = value
    else:
        variable.set_value(value)
