"""Dropout layers."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array

from .. import noise
from .._core import checks
from .._core.checks import Checks
from .._core.layers import distinct_axes
from .._core.types import Key
from ._key import Noise, drawn_key, is_quiet, key_for


class Dropout(nn.Dropout):
    """flax's `Dropout` with `jreg.noise.dropout` inside: same constructor, same collections.

    Differences from flax:
      - The masks differ, and they cost no memory.
      - The rate may be traced. A traced rate always needs a key, and gives NaN outside [0, 1].
      - In training a rate outside [0, 1] raises. When deterministic, the rate is neither used nor checked.
      - In training the input must be an array of floats; flax fails on others too, but inside its operations.

    Args:
      rate: probability of dropping, in [0, 1].
      broadcast_dims: axes along which the mask is constant.
      deterministic: if True, there is no noise; set it here or in the call.
      rng_collection: the collection that the key comes from.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer = linen.Dropout(0.5, deterministic=False)
    >>> y = layer.apply({}, jnp.ones(100), rngs={"dropout": jax.random.key(0)})
    >>> sorted(set(y.tolist()))
    [0.0, 2.0]
    """

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        if is_quiet(self, self.rate, deterministic):
            return inputs
        # At rate 1 there is nothing to draw, and flax needs no key.
        if checks.is_known(self.rate, 1.0):
            return jnp.zeros_like(inputs)
        axes = distinct_axes(Checks("Dropout"), "broadcast_dims", self.broadcast_dims, jnp.ndim(inputs))
        return noise.dropout(drawn_key(self, rng), inputs, self.rate, shared_axes=axes)


class SpatialDropout(Noise, kw_only=True):
    """Drop whole feature maps: `jreg.noise.spatial_dropout`.

    `deterministic` and `rng_collection` are as in flax's `Dropout`.

    Args:
      rate: probability of dropping, in [0, 1].
      spatial_axes: the axes of a feature map; None for all between the first and the last.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer = linen.SpatialDropout(0.5, deterministic=False)
    >>> layer.apply({}, jnp.ones((2, 4, 4, 3)), rngs={"dropout": jax.random.key(0)}).shape
    (2, 4, 4, 3)
    """

    spatial_axes: int | Sequence[int] | None = None

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        key = key_for(self, self.rate, deterministic, rng)
        return noise.spatial_dropout(key, inputs, self.rate, spatial_axes=self.spatial_axes)


class AlphaDropout(Noise, kw_only=True):
    """Dropout for SELU networks: `jreg.noise.alpha_dropout`.

    `deterministic` and `rng_collection` are as in flax's `Dropout`.

    Args:
      rate: probability of dropping, in [0, 1].
      broadcast_dims: axes along which the mask is constant.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer = linen.AlphaDropout(0.1, deterministic=False)
    >>> layer.apply({}, jnp.ones((2, 3)), rngs={"dropout": jax.random.key(0)}).shape
    (2, 3)
    """

    broadcast_dims: int | Sequence[int] = ()

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        axes = distinct_axes(Checks("AlphaDropout"), "broadcast_dims", self.broadcast_dims, jnp.ndim(inputs))
        return noise.alpha_dropout(key_for(self, self.rate, deterministic, rng), inputs, self.rate, shared_axes=axes)


class VariationalDropout(Noise, kw_only=True):
    """Drop the same elements at every step of a sequence: `jreg.noise.variational_dropout`.

    `deterministic` and `rng_collection` are as in flax's `Dropout`.

    Args:
      rate: probability of dropping, in [0, 1].
      time_axis: the axis along which the mask is constant.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer = linen.VariationalDropout(0.5, deterministic=False)
    >>> y = layer.apply({}, jnp.ones((2, 5, 3)), rngs={"dropout": jax.random.key(0)})
    >>> bool((y == y[:, :1]).all())
    True
    """

    time_axis: int = 1

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        key = key_for(self, self.rate, deterministic, rng)
        return noise.variational_dropout(key, inputs, self.rate, time_axis=self.time_axis)


class DropBlock(Noise, kw_only=True):
    """Drop contiguous blocks of feature maps: `jreg.noise.dropblock`.

    `deterministic` and `rng_collection` are as in flax's `Dropout`.

    Args:
      rate: share of each map to drop, in [0, 1].
      block_size: side of a block, or one side per spatial axis.
      spatial_axes: the axes of a feature map.
      shared_channels: whether all channels lose the same blocks.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer = linen.DropBlock(0.1, block_size=3, deterministic=False)
    >>> layer.apply({}, jnp.ones((2, 8, 8, 3)), rngs={"dropout": jax.random.key(0)}).shape
    (2, 8, 8, 3)
    """

    block_size: int | Sequence[int]
    spatial_axes: int | Sequence[int] = (1, 2)
    shared_channels: bool = False

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        return noise.dropblock(
            key_for(self, self.rate, deterministic, rng),
            inputs,
            self.rate,
            block_size=self.block_size,
            spatial_axes=self.spatial_axes,
            shared_channels=self.shared_channels,
        )
