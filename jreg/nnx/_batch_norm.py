"""flax's batch norm, over the functions of `jreg.norm`."""

from typing import Any

import jax.numpy as jnp
from flax import nnx
from flax.nnx.module import first_from
from flax.nnx.nn.dtypes import canonicalize_dtype
from jaxtyping import Array, Bool

from ..norm import BatchNormStats
from ..norm._layer import infer, train
from ._key import number


class BatchNorm(nnx.BatchNorm):
    """flax's `BatchNorm` with `jreg.norm.batch_norm` inside: same constructor, same variables, and ghost batches.

    It differs where flax's is wrong: the variance is always taken in two passes (`use_fast_variance` has no effect),
    shards with different numbers of unmasked values are weighted by them, the statistics carry no gradient, and one
    value per feature raises in training. `momentum` may be an array or an `nnx.Variable`.

    Args:
      ghost_size: examples per ghost batch, as in `jreg.norm.batch_norm`; all else as in flax.

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
        use_running_average = first_from(
            use_running_average,
            self.use_running_average,
            error_msg="No `use_running_average` argument was provided to BatchNorm, neither when made nor when called.",
        )
        scale, bias = (None if value is None else value[...] for value in (self.scale, self.bias))
        stats = BatchNormStats(self.mean[...], self.var[...])
        x, _, _, scale, bias = self.promote_dtype((x, *stats, scale, bias), dtype=self.dtype)
        dtype = canonicalize_dtype(x, scale, bias, dtype=self.dtype)
        wide = x.astype(jnp.promote_types(dtype, jnp.float32))
        if use_running_average:
            return infer(scale, bias, stats, wide, self.axis, eps=float(self.epsilon)).astype(dtype)
        y, stats = train(
            scale,
            bias,
            stats,
            wide,
            self.axis,
            mask,
            decay=number(self.momentum),
            eps=float(self.epsilon),
            axis_name=self.axis_name,
            axis_index_groups=self.axis_index_groups,
            ghost_size=self.ghost_size,
        )
        self.mean[...], self.var[...] = stats
        return y.astype(dtype)
