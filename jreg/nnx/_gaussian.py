"""Gaussian noise layers."""

from __future__ import annotations

from typing import Any

from jaxtyping import Array

from .. import noise
from ._key import Noise, Rngs, WithRate, key_for, number


class GaussianDropout(WithRate):
    """Multiply by Gaussian noise with dropout's variance: `jreg.noise.gaussian_dropout`.

    `deterministic`, `rng_collection` and `rngs` are as in flax's `Dropout`.

    Args:
      rate: the rate of the dropout with this variance, in [0, 1).

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> layer = nnx.GaussianDropout(0.5, rngs=flax_nnx.Rngs(0))
    >>> layer(jnp.ones((2, 3))).shape
    (2, 3)
    """

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        return noise.gaussian_dropout(key_for(self, rate, deterministic, rngs), inputs, rate)


class GaussianNoise(Noise):
    """Add Gaussian noise: `jreg.noise.gaussian_noise`.

    `deterministic`, `rng_collection` and `rngs` are as in flax's `Dropout`.

    Args:
      std: standard deviation, at least 0.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> layer = nnx.GaussianNoise(0.1, rngs=flax_nnx.Rngs(0))
    >>> layer(jnp.ones((2, 3))).shape
    (2, 3)
    """

    def __init__(self, std: Any, **options: Any):
        super().__init__(**options)
        self.std = std

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        std = number(self.std)
        return noise.gaussian_noise(key_for(self, std, deterministic, rngs), inputs, std)
