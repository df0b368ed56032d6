"""Concrete dropout: the formula of the paper, its limits, and the gradient in the rate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jreg import noise, random

KEY = jax.random.key(4)
SIZE = 2**16


def reference(x, rate, temperature):
    """The authors' formula in float64, with u = (1 + signed uniform) / 2."""
    uniform = (1 + np.asarray(random.signed_uniform(KEY, x.shape), np.float64)) / 2
    logit = special.logit(rate) - special.logit(uniform)
    return x * (1 - special.expit(logit / temperature)) / (1 - rate)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5, 0.95])
@pytest.mark.parametrize("temperature", [0.1, 2 / 3])
def test_the_formula_is_that_of_the_paper(rate, temperature):
    x = np.linspace(1.0, 2.0, SIZE)
    y = noise.concrete_dropout(KEY, jnp.asarray(x, jnp.float32), rate, temperature=temperature)
    np.testing.assert_allclose(y, reference(x, rate, temperature), rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_the_mask_follows_the_concrete_distribution(rate):
    mask = np.asarray(noise.concrete_dropout(KEY, jnp.ones(SIZE), rate, temperature=0.5), np.float64) * (1 - rate)

    def distribution(mask):
        return special.expit(0.5 * special.logit(np.clip(mask, 1e-12, 1 - 1e-12)) + special.logit(rate))

    assert stats.kstest(mask, distribution).pvalue > 1e-3


def test_a_low_temperature_gives_the_mask_of_dropout():
    y = np.asarray(noise.concrete_dropout(KEY, jnp.ones(SIZE), 0.3, temperature=1e-7))
    is_kept = np.isclose(y, 1 / 0.7)
    assert (is_kept | (y == 0)).mean() > 0.9999
    assert abs(is_kept.mean() - 0.7) < 5 * (0.21 / SIZE) ** 0.5


@pytest.mark.parametrize("temperature", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("rate", [0.0, 1e-45, 1e-38, 1e-30, 1e-7, 0.5, 1 - 2.0**-24, 1.0])
def test_values_and_gradients_are_finite_at_every_rate(rate, temperature):
    def loss(x, rate):
        return jnp.sum(noise.concrete_dropout(KEY, x, rate, temperature=temperature))

    value, gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(jnp.ones(999), rate)
    assert jnp.isfinite(value)
    assert jnp.isfinite(gradients[0]).all()
    assert jnp.isfinite(gradients[1])


def test_rates_zero_and_one_are_exact():
    x = jnp.linspace(-2.0, 2.0, 99)
    np.testing.assert_array_equal(noise.concrete_dropout(KEY, x, 0.0), x)
    np.testing.assert_array_equal(noise.concrete_dropout(KEY, x, 1.0), jnp.zeros(99))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_gradient_in_the_rate_is_that_of_the_formula(rate):
    x = np.ones(999)
    with jax.enable_x64(True):
        by_rate = jax.grad(lambda rate: noise.concrete_dropout(KEY, jnp.ones(999), rate, temperature=0.5).sum())(rate)
    step = 1e-6
    difference = (reference(x, rate + step, 0.5) - reference(x, rate - step, 0.5)).sum() / (2 * step)
    np.testing.assert_allclose(by_rate, difference, rtol=1e-3)


def test_a_rate_per_feature_is_taken():
    y = noise.concrete_dropout(KEY, jnp.ones((500, 2)), jnp.array([[0.0, 1.0]]))
    np.testing.assert_array_equal(y, jnp.tile(jnp.array([1.0, 0.0]), (500, 1)))


def test_regularizer_is_the_divergence_of_the_paper():
    kernel, rate, length_scale = np.arange(6.0).reshape(3, 2), 0.2, 0.1
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    expected = length_scale**2 * (1 - rate) / 2 * np.sum((kernel / (1 - rate)) ** 2) - 3 * entropy
    found = noise.concrete_regularizer(jnp.asarray(kernel, jnp.float32), rate, length_scale, num_features=3)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    tree = {"a": jnp.asarray(kernel[:1], jnp.float32), "b": jnp.asarray(kernel[1:], jnp.float32)}
    np.testing.assert_allclose(noise.concrete_regularizer(tree, rate, length_scale, num_features=3), found, rtol=1e-6)


def test_regularizer_is_exact_and_has_a_finite_gradient_at_rate_zero():
    value, slope = jax.value_and_grad(
        lambda rate: noise.concrete_regularizer(jnp.ones((3, 2)), rate, 1.0, num_features=3)
    )(0.0)
    assert value == 3.0
    assert jnp.isfinite(slope)
    assert slope < -100


def test_regularizer_refuses_rate_one():
    def regularizer(rate):
        return noise.concrete_regularizer(jnp.ones((3, 2)), rate, 1.0, num_features=3)

    with pytest.raises(ValueError, match=r"concrete_regularizer: rate must be in \[0, 1\); got 1.0"):
        regularizer(1.0)
    assert jnp.isnan(jax.jit(regularizer)(1.0))
    with pytest.raises(ValueError, match="num_features must be at least 1"):
        noise.concrete_regularizer(jnp.ones((3, 2)), 0.1, 1.0, num_features=0)


@pytest.mark.thorough
@pytest.mark.parametrize("num_examples", [30, 3000])
def test_the_learned_rate_falls_as_data_grow(num_examples):
    """More data leave less uncertainty about the weights, so less dropout: the paper's first experiment."""
    inputs = jax.random.normal(jax.random.key(0), (num_examples, 8))
    targets = inputs @ jnp.linspace(-0.3, 0.3, 8) + jax.random.normal(jax.random.key(1), (num_examples,))

    def loss(params, key):
        rate = jax.nn.sigmoid(params["raw_rate"])
        errors = targets - noise.concrete_dropout(key, inputs, rate) @ params["kernel"]
        divergence = noise.concrete_regularizer(params["kernel"], rate, 0.1, num_features=8)
        return 0.5 * jnp.mean(errors**2) + divergence / num_examples

    def step(params, key):
        return jax.tree.map(lambda leaf, slope: leaf - 0.2 * slope, params, jax.grad(loss)(params, key)), None

    params = {"raw_rate": jnp.float32(-1.0), "kernel": jnp.zeros(8)}
    params, _ = jax.lax.scan(step, params, jax.random.split(KEY, 2000))
    rate = jax.nn.sigmoid(params["raw_rate"])
    assert rate < 0.05 if num_examples == 3000 else rate > 0.2


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_bad_temperatures_are_found(temperature):
    with pytest.raises(ValueError, match="concrete_dropout: temperature must be above 0; got"):
        noise.concrete_dropout(KEY, jnp.ones(3), 0.1, temperature=temperature)
    traced = jax.jit(lambda temperature: noise.concrete_dropout(KEY, jnp.ones(3), 0.1, temperature=temperature))
    assert jnp.isnan(traced(temperature)).all()


@pytest.mark.parametrize("x", [jnp.ones(3, int), jnp.ones(3, bool), None])
def test_what_is_no_array_of_floats_is_refused(x):
    with pytest.raises(TypeError, match="concrete_dropout: x must be an array"):
        noise.concrete_dropout(KEY, x, 0.1)
