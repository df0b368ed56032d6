"""Layers that drop."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array

from .. import noise
from .._core import checks
from .._core.types import Key
from ._key import Noise, key_for


class Dropout(nn.Dropout):
    """flax's `Dropout` with `jreg.noise.dropout` inside: same constructor, same collections, other masks.

    The rate may be traced.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer = linen.Dropout(0.5, deterministic=False)
    >>> y = layer.apply({}, jnp.ones(100), rngs={"dropout": jax.random.key(0)})
    >>> sorted(set(y.tolist()))
    [0.0, 2.0]
    """

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        # At rate 1 there is nothing to draw, and flax asks for no key.
        if checks.is_known(self.rate, 1.0):
            is_quiet = nn.merge_param("deterministic", self.deterministic, deterministic)
            return inputs if is_quiet else jnp.zeros_like(inputs)
        key = key_for(self, self.rate, deterministic, rng)
        return noise.dropout(key, inputs, self.rate, shared_axes=self.broadcast_dims)


class SpatialDropout(Noise, kw_only=True):
    """Drop whole feature maps: `jreg.noise.spatial_dropout`."""

    spatial_axes: int | Sequence[int] | None = None

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        key = key_for(self, self.rate, deterministic, rng)
        return noise.spatial_dropout(key, inputs, self.rate, spatial_axes=self.spatial_axes)


class AlphaDropout(Noise):
    """Dropout for networks of SELUs: `jreg.noise.alpha_dropout`."""

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        return noise.alpha_dropout(key_for(self, self.rate, deterministic, rng), inputs, self.rate)


class DropBlock(Noise, kw_only=True):
    """Drop contiguous blocks of feature maps: `jreg.noise.dropblock`."""

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
