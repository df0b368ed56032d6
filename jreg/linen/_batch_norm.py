"""flax's batch norm, over the functions of `jreg.norm`."""

import math

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import canonicalize_dtype
from jaxtyping import Array, Bool

from ..norm import BatchNormStats
from ..norm._layer import feature_axes, infer, train


class BatchNorm(nn.BatchNorm):
    """flax's `BatchNorm` with `jreg.norm.batch_norm` inside: same constructor, same variables, and ghost batches.

    It differs where flax's is wrong: the variance is always taken in two passes and in float32 or wider
    (`use_fast_variance` has no effect), shards with different numbers of unmasked values are weighted by them, the
    statistics carry no gradient, and one value per feature raises in training, though not in `init`. `momentum` may be
    traced.

    `ghost_size` counts the examples per ghost batch, as in `jreg.norm.batch_norm`.

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
        axes = feature_axes(x.ndim, self.axis)
        shape = tuple(x.shape[axis] for axis in axes)
        stored = jnp.float32 if self.force_float32_reductions else self.param_dtype
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, stored)
        var = self.variable("batch_stats", "var", jnp.ones, shape, stored)
        scale = self.param("scale", self.scale_init, shape, self.param_dtype) if self.use_scale else None
        bias = self.param("bias", self.bias_init, shape, self.param_dtype) if self.use_bias else None
        dtype = canonicalize_dtype(x, scale, bias, dtype=self.dtype)
        wide = x.astype(jnp.promote_types(dtype, jnp.float32))
        stats, is_first = BatchNormStats(mean.value, var.value), self.is_initializing()
        # The example that parameters are made with may be a single one.
        if use_running_average or (is_first and x.size < 2 * math.prod(shape)):
            return infer(scale, bias, stats, wide, axes, eps=float(self.epsilon)).astype(dtype)
        y, stats = train(
            scale,
            bias,
            stats,
            wide,
            axes,
            mask,
            decay=self.momentum,
            eps=float(self.epsilon),
            axis_name=None if is_first else self.axis_name,
            axis_index_groups=None if is_first else self.axis_index_groups,
            ghost_size=None if is_first else self.ghost_size,
        )
        if not is_first:
            mean.value, var.value = stats
        return y.astype(dtype)
