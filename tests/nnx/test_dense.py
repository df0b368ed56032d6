"""The dense layer with DropConnect beside flax's Linear."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx as flax_nnx

from jreg import nnx, noise

X = jax.random.normal(jax.random.key(0), (4, 3))


def test_without_noise_it_is_flax_linear_with_the_same_weights():
    mine = nnx.DropConnectLinear(3, 5, 0.5, deterministic=True, rngs=flax_nnx.Rngs(0))
    theirs = flax_nnx.Linear(3, 5, rngs=flax_nnx.Rngs(0))
    np.testing.assert_array_equal(mine.kernel[...], theirs.kernel[...])
    np.testing.assert_allclose(mine(X), theirs(X), rtol=1e-6)


def test_with_noise_it_is_the_function_and_the_bias_is_kept():
    for per in ("example", 2):
        layer = nnx.DropConnectLinear(3, 5, 0.5, per=per, rngs=flax_nnx.Rngs(0))
        layer.bias[...] = jnp.ones(5)
        key = jax.random.key(7)
        expected = 1.0 + noise.dropconnect_dense(key, X, layer.kernel[...], 0.5, per=per)
        np.testing.assert_allclose(layer(X, rngs=key), expected, rtol=1e-6)
    assert nnx.DropConnectLinear(3, 5, 1.0, use_bias=False, rngs=flax_nnx.Rngs(0))(X).sum() == 0.0


def test_dtypes_are_those_of_flax():
    x = X.astype(jnp.bfloat16)
    with jax.numpy_dtype_promotion("standard"):
        for dtype, expected in ((None, jnp.float32), (jnp.bfloat16, jnp.bfloat16)):
            layer = nnx.DropConnectLinear(3, 5, 0.5, dtype=dtype, rngs=flax_nnx.Rngs(0))
            assert layer(x, deterministic=True).dtype == expected
