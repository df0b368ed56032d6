"""Gaussian noise: its distribution, and gradients in rate and standard deviation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jreg import noise, random

KEY = jax.random.key(5)
SIZE = 2**18


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_gaussian_dropout_has_the_mean_and_variance_of_dropout(rate):
    factor = np.asarray(noise.gaussian_dropout(KEY, jnp.ones(SIZE), rate), np.float64)
    assert stats.kstest(factor, stats.norm(1.0, (rate / (1 - rate)) ** 0.5).cdf).pvalue > 1e-3
    dropped = np.asarray(noise.dropout(KEY, jnp.ones(SIZE), rate))
    np.testing.assert_allclose(factor.var(), dropped.var(), rtol=0.03)


def test_gaussian_noise_adds_a_normal_in_the_units_of_x():
    x = jnp.linspace(-3.0, 3.0, SIZE)
    added = np.asarray(noise.gaussian_noise(KEY, x, 0.5) - x, np.float64)
    assert stats.kstest(added, stats.norm(0.0, 0.5).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(added, x)[0, 1]) < 5 / SIZE**0.5


def test_complex_noise_is_circular():
    added = np.asarray(noise.gaussian_noise(KEY, jnp.zeros(SIZE, jnp.complex64), 2.0))
    for part in (added.real, added.imag):
        assert stats.kstest(part.astype(np.float64), stats.norm(0.0, 2.0**0.5).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(added.real, added.imag)[0, 1]) < 5 / SIZE**0.5
    np.testing.assert_allclose(np.mean(np.abs(added) ** 2), 4.0, rtol=0.02)
    per_row = noise.gaussian_noise(KEY, jnp.zeros((2, 3), jnp.complex64), jnp.array([[0.0], [1.0]]))
    assert (per_row[0] == 0).all()
    assert (per_row[1] != 0).all()


def test_gradient_in_rate_and_std_is_that_of_the_draw():
    x = jnp.ones(100)
    normal = random.normal(KEY, x.shape, 1.0)
    by_std = jax.jacobian(lambda std: noise.gaussian_noise(KEY, x, std))(0.5)
    np.testing.assert_allclose(by_std, normal, rtol=1e-5)
    by_rate = jax.jacobian(lambda rate: noise.gaussian_dropout(KEY, x, rate))(0.2)
    np.testing.assert_allclose(by_rate, normal * 0.5 * 0.25**-0.5 / 0.8**2, rtol=1e-4)


def test_gradient_in_rate_is_zero_at_rate_zero():
    assert jax.grad(lambda rate: noise.gaussian_dropout(KEY, jnp.ones(9), rate).sum())(0.0) == 0.0


def test_rate_one_has_infinite_variance_and_is_refused():
    with pytest.raises(ValueError, match=r"gaussian_dropout: rate must be in \[0, 1\); got 1.0"):
        noise.gaussian_dropout(KEY, jnp.ones(3), 1.0)
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\)"):
        noise.gaussian_dropout(None, jnp.ones(3), 1)
    assert jnp.isnan(jax.jit(noise.gaussian_dropout)(KEY, jnp.ones(3), 1.0)).all()


def test_rate_and_std_may_differ_by_row():
    numbers = jnp.array([[0.0], [0.5]])
    for function in (noise.gaussian_dropout, noise.gaussian_noise):
        y = function(KEY, jnp.ones((2, 50)), numbers)
        assert (y[0] == 1).all()
        assert (y[1] != 1).all()


@pytest.mark.parametrize("function", [noise.gaussian_dropout, noise.gaussian_noise])
@pytest.mark.parametrize("x", [jnp.ones(3, int), jnp.ones(3, bool), [1.0, 2.0], 1.0])
def test_what_is_no_array_of_floats_is_refused(function, x):
    with pytest.raises(TypeError, match=f"{function.__name__}: x must be an array"):
        function(KEY, x, 0.1)


def test_the_backward_pass_keeps_the_key_and_not_the_noise():
    x = jnp.ones((64, 64))
    for function in (noise.gaussian_dropout, noise.gaussian_noise):
        _, pullback = jax.vjp(lambda x, function=function: function(KEY, x, 0.3), x)
        assert all(leaf.size <= 2 for leaf in jax.tree.leaves(pullback))
