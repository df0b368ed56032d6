"""Layers of Gaussian noise."""

from typing import Any

import flax.linen as nn
from jaxtyping import Array

from .. import noise
from .._core.types import Key
from ._key import Noise, key_for


class GaussianDropout(Noise):
    """Multiply by Gaussian noise of dropout's variance: `jreg.noise.gaussian_dropout`."""

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        return noise.gaussian_dropout(key_for(self, self.rate, deterministic, rng), inputs, self.rate)


class GaussianNoise(nn.Module):
    """Add Gaussian noise of standard deviation `std`: `jreg.noise.gaussian_noise`."""

    std: Any
    deterministic: bool | None = None
    rng_collection: str = "dropout"

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        return noise.gaussian_noise(key_for(self, self.std, deterministic, rng), inputs, self.std)
