"""The layers of Gaussian noise, beside what test_dropout.py holds them to."""

import jax
import jax.numpy as jnp

from jreg import linen


def test_the_noise_has_the_standard_deviation_asked_for():
    x = jnp.ones(10_000)
    for layer, std in ((linen.GaussianNoise(0.3), 0.3), (linen.GaussianDropout(0.2), 0.5)):
        y = layer.apply({}, x, deterministic=False, rngs={"dropout": jax.random.key(0)})
        assert abs(y.std() - std) < 0.02
