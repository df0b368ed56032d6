"""Dropout layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from .. import noise
from .._core import checks
from .._core.checks import Checks
from .._core.layers import distinct_axes
from ._key import Rngs, WithRate, drawn_key, is_quiet, key_for, number
from ._signature import Signed


class Dropout(Signed, nnx.Dropout):
    """flax's `Dropout` with `jreg.noise.dropout` inside: same constructor, same streams.

    Differences from flax:
      - The masks differ, and they cost no memory.
      - If the rate is an array or an `nnx.Variable` when the layer is made, it is data and can change without
        recompilation. A traced rate always needs a key, and gives NaN outside [0, 1].
      - In training a rate outside [0, 1] raises. When deterministic, the rate is neither used nor checked.
      - In training the input must be an array of floats; flax fails on others too, but inside its operations.

    Args:
      rate: probability of dropping, in [0, 1].
      broadcast_dims: axes along which the mask is constant.
      deterministic: if True, there is no noise; set it here, in the call, or by `nnx.view`.
      rng_collection: the stream of `rngs` that the layer forks.
      rngs: where the layer's stream of keys comes from; or pass it in the call.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> layer = nnx.Dropout(0.5, rngs=flax_nnx.Rngs(0))
    >>> sorted(set(layer(jnp.ones(100)).tolist()))
    [0.0, 2.0]
    """

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        if is_quiet(self, rate, deterministic):
            return inputs
        # At rate 1 there is nothing to draw, and flax needs no key.
        if checks.is_known(rate, 1.0):
            return jnp.zeros_like(inputs)
        axes = distinct_axes(Checks("Dropout"), "broadcast_dims", self.broadcast_dims, jnp.ndim(inputs))
        return noise.dropout(drawn_key(self, rngs), inputs, rate, shared_axes=axes)


class SpatialDropout(WithRate):
    """Drop whole feature maps: `jreg.noise.spatial_dropout`.

    `deterministic`, `rng_collection` and `rngs` are as in flax's `Dropout`.

    Args:
      rate: probability of dropping, in [0, 1].
      spatial_axes: the axes of a feature map; None for all between the first and the last.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> layer = nnx.SpatialDropout(0.5, rngs=flax_nnx.Rngs(0))
    >>> layer(jnp.ones((2, 4, 4, 3))).shape
    (2, 4, 4, 3)
    """

    def __init__(self, rate: Any, *, spatial_axes: int | Sequence[int] | None = None, **options: Any):
        super().__init__(rate, **options)
        self.spatial_axes = spatial_axes

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        key = key_for(self, rate, deterministic, rngs)
        return noise.spatial_dropout(key, inputs, rate, spatial_axes=self.spatial_axes)


class AlphaDropout(WithRate):
    """Dropout for SELU networks: `jreg.noise.alpha_dropout`.

    `deterministic`, `rng_collection` and `rngs` are as in flax's `Dropout`.

    Args:
      rate: probability of dropping, in [0, 1].
      broadcast_dims: axes along which the mask is constant.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> layer = nnx.AlphaDropout(0.1, rngs=flax_nnx.Rngs(0))
    >>> layer(jnp.ones((2, 3))).shape
    (2, 3)
    """

    def __init__(self, rate: Any, *, broadcast_dims: int | Sequence[int] = (), **options: Any):
        super().__init__(rate, **options)
        self.broadcast_dims = broadcast_dims

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        axes = distinct_axes(Checks("AlphaDropout"), "broadcast_dims", self.broadcast_dims, jnp.ndim(inputs))
        return noise.alpha_dropout(key_for(self, rate, deterministic, rngs), inputs, rate, shared_axes=axes)


class VariationalDropout(WithRate):
    """Drop the same elements at every step of a sequence: `jreg.noise.variational_dropout`.

    `deterministic`, `rng_collection` and `rngs` are as in flax's `Dropout`.

    Args:
      rate: probability of dropping, in [0, 1].
      time_axis: the axis along which the mask is constant.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> y = nnx.VariationalDropout(0.5, rngs=flax_nnx.Rngs(0))(jnp.ones((2, 5, 3)))
    >>> bool((y == y[:, :1]).all())
    True
    """

    def __init__(self, rate: Any, *, time_axis: int = 1, **options: Any):
        super().__init__(rate, **options)
        self.time_axis = time_axis

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        key = key_for(self, rate, deterministic, rngs)
        return noise.variational_dropout(key, inputs, rate, time_axis=self.time_axis)


class DropBlock(WithRate):
    """Drop contiguous blocks of feature maps: `jreg.noise.dropblock`.

    `deterministic`, `rng_collection` and `rngs` are as in flax's `Dropout`.

    Args:
      rate: share of each map to drop, in [0, 1].
      block_size: side of a block, or one side per spatial axis.
      spatial_axes: the axes of a feature map.
      shared_channels: whether all channels lose the same blocks.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> layer = nnx.DropBlock(0.1, block_size=3, rngs=flax_nnx.Rngs(0))
    >>> layer(jnp.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)
    """

    def __init__(
        self,
        rate: Any,
        *,
        block_size: int | Sequence[int],
        spatial_axes: int | Sequence[int] = (1, 2),
        shared_channels: bool = False,
        **options: Any,
    ):
        super().__init__(rate, **options)
        self.block_size = block_size
        self.spatial_axes = spatial_axes
        self.shared_channels = shared_channels

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        return noise.dropblock(
            key_for(self, rate, deterministic, rngs),
            inputs,
            rate,
            block_size=self.block_size,
            spatial_axes=self.spatial_axes,
            shared_channels=self.shared_channels,
        )
