"""Layers of Gaussian noise."""

from typing import Any

from jaxtyping import Array

from .. import noise
from ._dropout import Rngs
from ._key import Noise, key_for, number


class GaussianDropout(Noise):
    """Multiply by Gaussian noise of dropout's variance: `jreg.noise.gaussian_dropout`."""

    def __init__(self, rate: Any, **options: Any):
        super().__init__(**options)
        self.rate = rate

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        return noise.gaussian_dropout(key_for(self, rate, deterministic, rngs), inputs, rate)


class GaussianNoise(Noise):
    """Add Gaussian noise of standard deviation `std`: `jreg.noise.gaussian_noise`."""

    def __init__(self, std: Any, **options: Any):
        super().__init__(**options)
        self.std = std

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        std = number(self.std)
        return noise.gaussian_noise(key_for(self, std, deterministic, rngs), inputs, std)
