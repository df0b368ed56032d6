"""The dense layer with DropConnect beside flax's Dense."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jreg import linen, noise

KEY = jax.random.key(0)
X = jax.random.normal(KEY, (4, 3))


def test_its_parameters_are_those_of_dense_and_noise_is_that_of_the_function():
    mine, theirs = linen.DropConnectDense(5, 0.5), nn.Dense(5)
    variables = theirs.init(KEY, X)
    jax.tree.map(np.testing.assert_array_equal, mine.init(KEY, X), variables)
    np.testing.assert_allclose(mine.apply(variables, X, deterministic=True), theirs.apply(variables, X), rtol=1e-6)
    y = mine.apply(variables, X, deterministic=False, rng=KEY)
    np.testing.assert_allclose(y, noise.dropconnect_dense(KEY, X, variables["params"]["kernel"], 0.5), rtol=1e-6)
    again = mine.apply(variables, X, deterministic=False, rngs={"dropout": KEY})
    assert not np.array_equal(again, y)


def test_masks_bias_and_dtype_are_options():
    layer = linen.DropConnectDense(5, 1.0, per="batch", use_bias=False, dtype=jnp.bfloat16, deterministic=False)
    y, variables = layer.init_with_output({"params": KEY, "dropout": KEY}, X)
    assert set(variables["params"]) == {"kernel"}
    assert y.dtype == jnp.bfloat16
    np.testing.assert_array_equal(layer.apply(variables, X, rngs={"dropout": KEY}), jnp.zeros((4, 5)))
