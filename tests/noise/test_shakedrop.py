"""ShakeDrop: the two factors of the paper, their distributions and the expectation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jreg import noise

KEY = jax.random.key(8)


def factors(key, rate, num_rows=4096):
    """The forward and the backward factor of every row."""
    x = jnp.ones((num_rows, 2))
    forward, pullback = jax.vjp(lambda x: noise.shakedrop(key, x, rate), x)
    backward = pullback(jnp.ones_like(x))[0]
    np.testing.assert_array_equal(forward[:, 0], forward[:, 1])
    np.testing.assert_array_equal(backward[:, 0], backward[:, 1])
    return np.asarray(forward[:, 0], np.float64), np.asarray(backward[:, 0], np.float64)


def test_a_shaken_branch_has_alpha_forward_and_beta_backward():
    alpha, beta = factors(KEY, 1.0)
    assert stats.kstest(alpha, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert stats.kstest(beta, stats.uniform(0, 1).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(alpha, beta)[0, 1]) < 5 / alpha.size**0.5


def test_a_branch_that_is_not_shaken_is_left_alone():
    for factor in factors(KEY, 0.0):
        np.testing.assert_array_equal(factor, 1.0)


def test_one_gate_serves_the_batch_and_is_open_with_probability_one_minus_rate():
    keys = jax.random.split(KEY, 4000)
    y = jax.vmap(lambda key: noise.shakedrop(key, jnp.ones((3, 1)), 0.3))(keys)[..., 0]
    is_open = (y == 1).all(1)
    np.testing.assert_array_equal(is_open, (y == 1).any(1))
    assert abs(is_open.mean() - 0.7) < 5 * (0.21 / 4000) ** 0.5


def test_the_expectation_has_its_own_gradient():
    x = jnp.array([[1.0, 2.0], [3.0, -4.0]])
    np.testing.assert_allclose(noise.shakedrop(None, x, 0.25), 0.75 * x)
    np.testing.assert_allclose(jax.grad(lambda x: noise.shakedrop(None, x, 0.25).sum())(x), jnp.full((2, 2), 0.75))


def test_forward_mode_agrees_with_the_gradient():
    x = jnp.arange(6.0).reshape(3, 2)
    _, beta = factors(KEY, 1.0, num_rows=3)
    _, tangent = jax.jvp(lambda x: noise.shakedrop(KEY, x, 1.0), (x,), (jnp.ones_like(x),))
    np.testing.assert_array_equal(tangent, jnp.tile(beta[:, None], (1, 2)))


def test_a_nan_rate_reaches_value_and_gradient():
    value, gradient = jax.jit(jax.value_and_grad(lambda x, rate: noise.shakedrop(KEY, x, rate).sum()))(
        jnp.ones((3, 2)), 1.5
    )
    assert jnp.isnan(value)
    assert jnp.isnan(gradient).all()


def test_what_is_no_batch_of_floats_is_refused():
    with pytest.raises(ValueError, match="shakedrop: branch must have a batch axis; got a scalar"):
        noise.shakedrop(None, jnp.float32(1.0), 0.5)
    for branch in (jnp.ones((3, 2), int), jnp.ones((3, 2), bool), None):
        with pytest.raises(TypeError, match="shakedrop: branch must be an array"):
            noise.shakedrop(KEY, branch, 0.5)


def test_the_backward_pass_keeps_the_key_and_not_the_factors():
    _, pullback = jax.vjp(lambda x: noise.shakedrop(KEY, x, 0.5), jnp.ones((64, 64)))
    assert all(leaf.size <= 2 for leaf in jax.tree.leaves(pullback))
