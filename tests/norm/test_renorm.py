"""Batch renormalization between its two limits, batch norm and inference, and against the paper's formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import norm

FEATURES = 3
PARAMS = norm.BatchNormParams(jnp.array([1.0, 2.0, -0.5]), jnp.array([0.0, 1.0, -3.0]))
STATS = norm.BatchNormStats(jnp.array([1.5, 2.0, 9.0]), jnp.array([9.0, 2.0, 30.0]))
compiled = jax.jit(norm.batch_renorm)


def data(shape=(8, FEATURES), seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(2.0, 3.0, shape), jnp.float32)


def test_bounds_of_one_and_zero_give_batch_norm():
    y, running = compiled(PARAMS, STATS, data(), 1.0, 0.0)
    expected, stats = norm.batch_norm(PARAMS, STATS, data())
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), running, stats)


def test_within_wide_bounds_the_output_is_that_of_inference():
    y, _ = compiled(PARAMS, STATS, data(), 1e6, 1e6)
    np.testing.assert_allclose(y, norm.batch_norm_inference(PARAMS, STATS, data()), rtol=1e-4, atol=1e-4)


def test_the_formula_of_the_paper_holds_with_r_and_d_constant_to_the_gradient():
    x, weights, r_max, d_max = data(), data(seed=1), 1.5, 0.4
    mean, std = np.mean(x, 0), np.sqrt(np.var(x, 0) + 1e-5)
    running_std = np.sqrt(STATS.variance + 1e-5)
    r = np.clip(std / running_std, 1 / r_max, r_max)
    d = np.clip((mean - STATS.mean) / running_std, -d_max, d_max)
    assert {bool(value in (1 / r_max, r_max)) for value in r} == {True, False}
    assert {bool(abs(value) == d_max) for value in np.asarray(d, np.float64).round(6)} == {True, False}

    def by_hand(params, x):
        centred = x - jnp.mean(x, 0, keepdims=True)
        normal = centred * jax.lax.rsqrt(jnp.mean(centred**2, 0, keepdims=True) + 1e-5)
        return jnp.sum(weights * ((normal * r[None] + d[None]) * params.scale[None] + params.offset[None]))

    def ours(params, x):
        return jnp.sum(weights * norm.batch_renorm(params, STATS, x, r_max, d_max)[0])

    actual = jax.jit(jax.value_and_grad(ours, argnums=(0, 1)))(PARAMS, x)
    expected = jax.jit(jax.value_and_grad(by_hand, argnums=(0, 1)))(PARAMS, x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), actual, expected)


def test_limits_are_traced_and_bad_ones_raise_or_give_nan():
    for r_max, d_max, message in ((0.5, 1.0, "r_max must be at least 1"), (1.0, -1.0, "d_max must be at least 0")):
        with pytest.raises(ValueError, match=f"batch_renorm: {message}"):
            norm.batch_renorm(PARAMS, STATS, data(), r_max, d_max)
        assert jnp.isnan(compiled(PARAMS, STATS, data(), r_max, d_max)[0]).all()
    for limits in ((jnp.ones(FEATURES), 1.0), (1.0, jnp.ones((1, 1)))):
        name = "r_max" if jnp.ndim(limits[0]) else "d_max"
        with pytest.raises(ValueError, match=f"batch_renorm: {name} must be a scalar"):
            norm.batch_renorm(PARAMS, STATS, data(), *limits)
    with pytest.raises(ValueError, match="batch_renorm: x must have two values or more per feature"):
        norm.batch_renorm(PARAMS, STATS, data((1, FEATURES)), 1.0, 0.0)


def test_16_bit_input_masks_and_shards_work_as_in_batch_norm():
    x = data((4, 8, FEATURES))
    where = (jnp.arange(8) < 6)[:, None]
    sync = jax.vmap(lambda x: norm.batch_renorm(PARAMS, STATS, x, 3.0, 5.0, axis_name="b", where=where), axis_name="b")
    y, running = jax.jit(sync)(x)
    expected, stats = compiled(PARAMS, STATS, x[:, :6].reshape(24, FEATURES), 3.0, 5.0)
    np.testing.assert_allclose(y[:, :6].reshape(24, FEATURES), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(running.variance[0], stats.variance, rtol=1e-5)
    assert compiled(PARAMS, STATS, x[0].astype(jnp.bfloat16), 3.0, 5.0)[0].dtype == jnp.bfloat16
