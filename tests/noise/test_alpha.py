"""Alpha dropout: torch's constants, and mean and variance through SELU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import noise

KEY = jax.random.key(2)
LIMIT = -1.7580993408473766


@pytest.mark.parametrize(("rate", "a", "b"), [(0.1, 0.9212845161, 0.1619709701), (0.5, 0.8864048947, 0.7791939305)])
def test_constants_are_those_of_torch(rate, a, b):
    x = jnp.linspace(-2.0, 2.0, 1001)
    y = np.asarray(noise.alpha_dropout(KEY, x, rate))
    is_low = np.isclose(y, a * LIMIT + b, atol=1e-6)
    assert abs(is_low.mean() - rate) < 5 * (rate * (1 - rate) / x.size) ** 0.5
    np.testing.assert_allclose(y[~is_low], (a * x + b)[~is_low], atol=1e-6)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5, 0.9])
def test_mean_and_variance_are_kept_through_selu(rate):
    x = jax.nn.selu(jax.random.normal(jax.random.key(0), (2**18,)))
    y = noise.alpha_dropout(KEY, x, rate)
    # The sample of x is standardized only to within its own error.
    np.testing.assert_allclose(y.mean(), 0.0, atol=0.02)
    np.testing.assert_allclose(y.var(), 1.0, atol=0.03)


def test_a_deep_selu_network_stays_normalized():
    x = jax.random.normal(jax.random.key(0), (512, 256))
    for layer in range(16):
        kernel_key, noise_key = jax.random.split(jax.random.key(layer))
        kernel = jax.random.normal(kernel_key, (256, 256)) / 16.0
        x = noise.alpha_dropout(noise_key, jax.nn.selu(x @ kernel), 0.1)
    assert abs(x.mean()) < 0.1
    assert abs(x.var() - 1.0) < 0.2


def test_rate_one_gives_zeros_with_finite_gradients_as_its_limit():
    x = jnp.array([-1.0, 0.0, 3.0, jnp.nan])
    np.testing.assert_array_equal(noise.alpha_dropout(KEY, x, 1.0), jnp.zeros(4))
    np.testing.assert_array_equal(jax.grad(lambda x: noise.alpha_dropout(KEY, x, 1.0).sum())(x), jnp.zeros(4))
    near = noise.alpha_dropout(KEY, jnp.zeros(4), 1 - 1e-6)
    np.testing.assert_allclose(near, 0.0, atol=2e-3)


def test_nan_in_a_dropped_place_does_not_spread():
    x = jnp.ones(100)
    low = jnp.min(noise.alpha_dropout(KEY, x, 0.5))
    is_low = noise.alpha_dropout(KEY, x, 0.5) == low
    poisoned = jnp.where(is_low, jnp.nan, x)
    assert jnp.isfinite(noise.alpha_dropout(KEY, poisoned, 0.5)).all()
    assert jnp.isfinite(jax.grad(lambda x: noise.alpha_dropout(KEY, x, 0.5).sum())(poisoned)).all()


def test_low_precision_is_computed_in_float32():
    x = jnp.linspace(-2.0, 2.0, 1001)
    exact = noise.alpha_dropout(KEY, x.astype(jnp.bfloat16).astype(jnp.float32), 0.1)
    np.testing.assert_array_equal(noise.alpha_dropout(KEY, x.astype(jnp.bfloat16), 0.1), exact.astype(jnp.bfloat16))


@pytest.mark.parametrize("x", [jnp.ones(3, int), jnp.ones(3, bool), None])
def test_what_is_no_array_of_floats_is_refused(x):
    with pytest.raises(TypeError, match="alpha_dropout: x must be an array"):
        noise.alpha_dropout(KEY, x, 0.1)
