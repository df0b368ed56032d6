"""The negative entropy against scipy, its limits, its relation to smoothing. More laws: test_distillation.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from jreg import targets

LOGITS = jnp.asarray(3 * np.random.default_rng(0).normal(size=(6, 5)), jnp.float32)


def test_it_is_the_mean_negative_entropy_of_scipy():
    p = scipy.special.softmax(np.float64(LOGITS), axis=1)
    np.testing.assert_allclose(targets.confidence_penalty(LOGITS), -scipy.stats.entropy(p, axis=1).mean(), rtol=1e-5)


def test_it_lies_between_uniform_and_certain():
    np.testing.assert_allclose(targets.confidence_penalty(jnp.zeros((2, 5))), -np.log(5), rtol=1e-6)
    certain = jnp.array([[1e4, 0.0, -1e4], [0.0, -jnp.inf, -jnp.inf]])
    value, gradient = jax.value_and_grad(targets.confidence_penalty)(certain)
    assert value == 0.0
    np.testing.assert_array_equal(gradient, jnp.zeros((2, 3)))


def test_a_step_along_it_makes_the_output_less_certain():
    gradient = jax.grad(targets.confidence_penalty)(LOGITS)
    softer = jax.nn.softmax(LOGITS - 0.1 * gradient)
    assert (scipy.stats.entropy(softer, axis=1) > scipy.stats.entropy(jax.nn.softmax(LOGITS), axis=1)).all()


def test_it_is_the_divergence_to_uniform_and_smoothing_the_one_from_it():
    uniform = jnp.zeros((6, 5))
    to_uniform = targets.confidence_penalty(LOGITS) + np.log(5)
    np.testing.assert_allclose(targets.distillation(uniform, LOGITS, 1.0), to_uniform, rtol=1e-5)
    from_uniform = targets.smoothed_cross_entropy(LOGITS, jnp.zeros(6, int), 1.0) - np.log(5)
    np.testing.assert_allclose(targets.distillation(LOGITS, uniform, 1.0), from_uniform, rtol=1e-5)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match=r"^confidence_penalty: logits must have two classes or more on the last axis"):
        targets.confidence_penalty(jnp.zeros((3, 1)))
