"""Gaussian noise layers."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
from jaxtyping import Array

from .. import noise
from .._core.types import Key
from ._key import Noise, key_for


class GaussianDropout(Noise):
    """Multiply by Gaussian noise with dropout's variance: `jreg.noise.gaussian_dropout`.

    `deterministic` and `rng_collection` are as in flax's `Dropout`.

    Args:
      rate: the rate of the dropout with this variance, in [0, 1).

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer = linen.GaussianDropout(0.5, deterministic=False)
    >>> layer.apply({}, jnp.ones((2, 3)), rngs={"dropout": jax.random.key(0)}).shape
    (2, 3)
    """

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        return noise.gaussian_dropout(key_for(self, self.rate, deterministic, rng), inputs, self.rate)


class GaussianNoise(nn.Module):
    """Add Gaussian noise: `jreg.noise.gaussian_noise`.

    `deterministic` and `rng_collection` are as in flax's `Dropout`.

    Args:
      std: standard deviation, at least 0.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer = linen.GaussianNoise(0.1, deterministic=False)
    >>> layer.apply({}, jnp.ones((2, 3)), rngs={"dropout": jax.random.key(0)}).shape
    (2, 3)
    """

    std: Any
    deterministic: bool | None = None
    rng_collection: str = "dropout"

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        return noise.gaussian_noise(key_for(self, self.std, deterministic, rng), inputs, self.std)
