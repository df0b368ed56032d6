"""The layers of Gaussian noise, beside what test_dropout.py holds them to."""

import jax.numpy as jnp
import numpy as np
from flax import nnx as flax_nnx

from jreg import nnx


def test_the_noise_has_the_standard_deviation_asked_for():
    x = jnp.ones(10_000)
    assert abs(nnx.GaussianNoise(0.3, rngs=flax_nnx.Rngs(0))(x).std() - 0.3) < 0.02
    assert abs(nnx.GaussianDropout(0.2, rngs=flax_nnx.Rngs(0))(x).std() - 0.5) < 0.02


def test_the_standard_deviation_can_be_learned():
    layer = nnx.GaussianNoise(flax_nnx.Param(jnp.float32(0.3)), rngs=flax_nnx.Rngs(0))
    gradient = flax_nnx.grad(lambda layer: jnp.sum(layer(jnp.zeros(100)) ** 2))(layer)
    np.testing.assert_allclose(gradient["std"][...], 2 * 0.3 * 100, rtol=0.3)
