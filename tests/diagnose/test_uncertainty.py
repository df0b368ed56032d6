"""Monte Carlo predictions against a loop over the samples, and the memory that they take."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import diagnose, noise, random

KEY = jax.random.key(0)
X = 3.0 * jax.random.normal(jax.random.key(1), (6, 4))


def fn(key, x):
    return jax.nn.softmax(noise.dropout(key, x, 0.4))


def reference(samples):
    """The definitions, by scipy, from stored samples (samples, batch, classes)."""
    mean = samples.mean(0)
    total, expected = scipy.stats.entropy(mean, axis=-1), scipy.stats.entropy(samples, axis=-1).mean(0)
    choices = samples.argmax(-1)
    agreeing = (choices == scipy.stats.mode(choices, axis=0).mode).mean(0)
    return mean, samples.var(0), total, expected, total - expected, 1.0 - agreeing


@pytest.mark.parametrize("batch_size", [None, 1, 4, 5])
def test_it_is_the_loop_over_the_samples_whatever_the_batch_size(batch_size):
    found = diagnose.mc_predict(fn, KEY, X, num_samples=10, batch_size=batch_size)
    samples = np.stack([np.float64(fn(key, X)) for key in random.split(KEY, 10)])
    for mine, expected in zip(found, reference(samples), strict=True):
        np.testing.assert_allclose(mine, expected, atol=2e-6)


def test_without_a_key_nothing_disagrees():
    found = diagnose.mc_predict(fn, None, X, num_samples=10, batch_size=3)
    np.testing.assert_array_equal(found.mean, fn(None, X))
    np.testing.assert_array_equal(found.predictive_entropy, found.expected_entropy)
    for field in (found.variance, found.mutual_information, found.variation_ratio):
        np.testing.assert_array_equal(field, jnp.zeros_like(field))


def test_certain_samples_that_contradict_each_other_are_one_bit_of_disagreement():
    """And samples that agree on a fair coin have none: the uncertainty is in the data."""

    def coins(key, x):
        side = jax.random.bernoulli(key, 0.5).astype(jnp.float32)
        return jnp.stack([jnp.stack([side, 1.0 - side]), jnp.array([0.5, 0.5])])

    found = diagnose.mc_predict(coins, KEY, X, num_samples=400, batch_size=64)
    np.testing.assert_allclose(found.predictive_entropy, np.log(2.0), atol=0.01)
    np.testing.assert_allclose(found.expected_entropy, [0.0, np.log(2.0)], atol=1e-6)
    np.testing.assert_allclose(found.mutual_information, [np.log(2.0), 0.0], atol=0.01)
    np.testing.assert_allclose(found.variation_ratio, [0.5, 0.0], atol=0.06)


@pytest.mark.parametrize("batch_size", [None, 7])
def test_other_outputs_have_a_mean_and_a_variance_in_which_nothing_cancels(batch_size):
    def regression(key, x):
        return 1e4 + noise.gaussian_noise(key, x[:, :1], 0.1)

    found = diagnose.mc_predict(regression, KEY, X, num_samples=50, batch_size=batch_size)
    samples = np.stack([np.float64(regression(key, X)) for key in random.split(KEY, 50)])
    np.testing.assert_allclose(found.mean, samples.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.variance, samples.var(0), rtol=0.02)
    for field in found[2:]:
        assert jnp.isnan(field).all()


def test_logits_in_place_of_probabilities_give_no_plausible_entropy():
    for outputs in (X, jnp.abs(X), 1.01 * fn(None, X), jnp.full_like(X, jnp.nan)):
        found = diagnose.mc_predict(lambda key, x, outputs=outputs: outputs, KEY, X, num_samples=2)
        assert jnp.isnan(found.mutual_information).all()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_probabilities_of_16_bits_are_summed_in_float32(dtype):
    found = diagnose.mc_predict(lambda key, x: fn(key, x).astype(dtype), KEY, X, num_samples=20, batch_size=6)
    for mine, expected in zip(found, diagnose.mc_predict(fn, KEY, X, num_samples=20), strict=True):
        assert mine.dtype == jnp.float32
        np.testing.assert_allclose(mine, expected, atol=0.02)


def test_memory_is_bounded_by_the_batch_size():
    weights = jax.random.normal(jax.random.key(2), (4, 500))

    def temporary(num_samples, batch_size):
        def predict(key, x):
            return diagnose.mc_predict(
                lambda key, x: fn(key, x @ weights), key, x, num_samples=num_samples, batch_size=batch_size
            )

        return jax.jit(predict).lower(KEY, jnp.ones((64, 4))).compile().memory_analysis().temp_size_in_bytes

    few, many = temporary(8, 4), temporary(400, 4)
    assert many < 1.05 * few
    assert temporary(400, None) > 20 * many


def test_it_composes_with_transformations_and_trees():
    batch = {"x": X}
    found = diagnose.mc_predict(lambda key, b: fn(key, b["x"]), KEY, batch, num_samples=5, batch_size=2)
    keys = jax.random.split(KEY, 3)
    mapped = jax.jit(jax.vmap(lambda key: diagnose.mc_predict(fn, key, X, num_samples=5, batch_size=2)))(keys)
    single = jax.jit(lambda key: diagnose.mc_predict(fn, key, X, num_samples=5, batch_size=2))(keys[1])
    for one, mine, expected in zip(found, mapped, single, strict=True):
        assert one.shape == expected.shape
        np.testing.assert_allclose(mine[1], expected, atol=1e-6)

    def disagreement(x):
        return jnp.sum(diagnose.mc_predict(fn, KEY, x, num_samples=5, batch_size=2).mutual_information)

    assert jnp.isfinite(jax.jit(jax.grad(disagreement))(X)).all()


def test_bad_arguments_raise():
    for arguments, message in (
        ({"num_samples": 0}, "mc_predict: num_samples must be at least 1; got 0"),
        ({"num_samples": 2, "batch_size": 0}, "mc_predict: batch_size must be at least 1; got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            diagnose.mc_predict(fn, KEY, X, **arguments)
    with pytest.raises(
        ValueError, match=r"mc_predict: fn\(key, x\) must have shape \(\*batch, classes\); got shape \(\)"
    ):
        diagnose.mc_predict(lambda key, x: jnp.sum(x), KEY, X, num_samples=2)
    with pytest.raises(TypeError, match="mc_predict: key must be a PRNG key"):
        diagnose.mc_predict(fn, 0, X, num_samples=2)
