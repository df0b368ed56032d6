"""Residual blocks that are dropped: by mask, by subset and by condition."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import noise, random

KEY = jax.random.key(11)
X = jax.random.normal(jax.random.key(1), (10, 4))
SKIPS = ("mask", "subset", "cond")


def branch(key, x):
    return jnp.sin(x) if key is None else jnp.sin(x) + 1.0


@pytest.mark.parametrize("skip", SKIPS)
def test_no_key_reaches_the_branch_as_none(skip):
    np.testing.assert_array_equal(noise.residual(branch, None, X, 0.5, skip=skip), X + jnp.sin(X))


@pytest.mark.parametrize("skip", SKIPS)
def test_rate_zero_and_one_are_exact_with_finite_gradients(skip):
    np.testing.assert_array_equal(noise.residual(branch, KEY, X, 0.0, skip=skip), X + branch(KEY, X))
    np.testing.assert_array_equal(noise.residual(branch, KEY, X, 1.0, skip=skip), X)
    for rate in (0.0, 0.4, 1.0):
        gradient = jax.grad(lambda x, rate=rate: jnp.sum(noise.residual(branch, KEY, x, rate, skip=skip) ** 2))(X)
        assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("skip", SKIPS)
def test_mean_over_keys_is_the_residual(skip):
    keys = random.split_array(KEY, 4000)
    y = jax.vmap(lambda key: noise.residual(branch, key, X, 0.4, skip=skip))(keys)
    error = y.mean(0) - (X + branch(KEY, X))
    assert jnp.abs(error / (y.std(0) / len(keys) ** 0.5)).max() < 5


@pytest.mark.parametrize(("rate", "num_rows"), [(0.05, 10), (0.06, 9), (0.4, 6), (0.75, 2), (0.99, 1)])
def test_subset_computes_that_many_rows_and_scales_by_their_share(rate, num_rows):
    seen = []

    def spy(key, x):
        seen.append(x.shape)
        return jnp.ones_like(x)

    y = noise.residual(spy, KEY, X, rate, skip="subset")
    assert seen == [(num_rows, 4)]
    change = np.asarray(y - X)
    rows = (np.abs(change) > 0.1).all(1)
    assert rows.sum() == num_rows
    np.testing.assert_allclose(change[rows], 10 / num_rows, rtol=1e-5)
    np.testing.assert_array_equal(y[~rows], X[~rows])


def test_subset_takes_every_row_equally_often():
    keys = random.split_array(KEY, 5000)
    y = jax.vmap(lambda key: noise.residual(lambda _, x: jnp.ones_like(x), key, X, 0.4, skip="subset"))(keys)
    taken = np.asarray(jnp.abs(y - X[None])[..., 0] > 0.1)
    assert (taken.sum(1) == 6).all()
    assert (np.abs(taken.mean(0) - 0.6) < 5 * (0.24 / len(keys)) ** 0.5).all()


def test_subset_gives_each_row_its_own_branch_and_gradient():
    def total(x):
        return jnp.sum(noise.residual(lambda _, x: x**2, KEY, x, 0.4, skip="subset"))

    change = noise.residual(lambda _, x: jnp.ones_like(x), KEY, X, 0.4, skip="subset") - X
    np.testing.assert_allclose(
        noise.residual(lambda _, x: x**2, KEY, X, 0.4, skip="subset"), X + change * X**2, rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(jax.grad(total)(X), 1 + change * 2 * X, rtol=1e-5, atol=1e-5)


def test_subset_runs_fewer_operations():
    weights = jnp.ones((64, 64))

    def flops(skip):
        step = jax.grad(lambda x: jnp.sum(noise.residual(lambda _, x: x @ weights, KEY, x, 0.5, skip=skip) ** 2))
        cost: Any = jax.jit(step).lower(jnp.ones((128, 64))).compile().cost_analysis()
        return cost["flops"]

    assert flops("subset") < 0.6 * flops("mask")


def test_mask_draws_for_each_row_and_cond_for_the_batch():
    def changes(skip, key):
        y = noise.residual(lambda _, x: jnp.ones_like(x), key, X, 0.5, skip=skip)
        return set(np.round(np.asarray(y - X)[:, 0], 3).tolist())

    assert changes("mask", KEY) == {0.0, 2.0}
    both = [changes("cond", key) for key in random.split(KEY, 16)]
    assert all(len(change) == 1 for change in both)
    assert set.union(*both) == {0.0, 2.0}


def test_cond_skips_the_work_and_selects_under_vmap():
    text = jax.jit(lambda key, x: noise.residual(branch, key, x, 0.5, skip="cond")).lower(KEY, X).as_text()
    assert "stablehlo.case" in text
    keys = random.split_array(KEY, 16)
    mapped = jax.vmap(lambda key: noise.residual(branch, key, X, 0.5, skip="cond"))(keys)
    for key, y in zip(keys, mapped, strict=True):
        np.testing.assert_allclose(y, noise.residual(branch, key, X, 0.5, skip="cond"), rtol=1e-6)


@pytest.mark.parametrize("skip", SKIPS)
def test_jit_and_vmap_agree_with_a_loop(skip):
    keys = random.split_array(KEY, 5)

    def apply(key):
        return noise.residual(branch, key, X, 0.3, skip=skip)

    loop = jnp.stack([apply(key) for key in keys])
    np.testing.assert_allclose(jax.vmap(apply)(keys), loop, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(apply))(keys), loop, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("skip", ["mask", "cond"])
def test_rates_are_traced_and_a_bad_one_gives_nan(skip):
    @jax.jit
    def apply(rate):
        return noise.residual(branch, KEY, X, rate, skip=skip)

    np.testing.assert_allclose(apply(0.3), noise.residual(branch, KEY, X, 0.3, skip=skip), rtol=1e-6)
    np.testing.assert_array_equal(apply(1.0), X)
    assert jnp.isnan(apply(1.2)).all()


def test_subset_refuses_a_traced_rate():
    with pytest.raises(TypeError, match="residual: rate must be static with skip='subset'"):
        jax.jit(lambda rate: noise.residual(branch, KEY, X, rate, skip="subset"))(0.3)
    assert noise.residual(branch, KEY, X, jnp.float32(0.4), skip="subset").shape == X.shape


def test_branch_gets_a_key_of_its_own():
    keys = []
    for skip in SKIPS:
        noise.residual(lambda key, x: keys.append(key) or x, KEY, X, 0.1, skip=skip)
    used = {tuple(jax.random.key_data(key).tolist()) for key in keys}
    assert len(used) == 1
    assert tuple(jax.random.key_data(KEY).tolist()) not in used


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64"])
def test_dtype_is_kept(skip, dtype):
    y = noise.residual(lambda _, x: x, KEY, X.astype(dtype), 0.4, skip=skip)
    assert y.dtype == dtype


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"fn must return x's shape and dtype, float32\[10, 4\]; got float32\[10\]"):
        noise.residual(lambda _, x: x.sum(1), KEY, X, 0.5)
    with pytest.raises(ValueError, match="skip must be one of 'mask', 'subset', 'cond'; got 'row'"):
        noise.residual(branch, KEY, X, 0.5, skip="row")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="x must have a batch axis with skip='subset'; got a scalar"):
        noise.residual(branch, KEY, jnp.float32(1.0), 0.5, skip="subset")
    with pytest.raises(TypeError, match="residual: key must be a PRNG key"):
        noise.residual(branch, 0, X, 0.5)  # pyright: ignore[reportArgumentType]
    assert noise.residual(branch, KEY, jnp.float32(1.0), 0.5, skip="cond").shape == ()
    assert noise.residual(branch, KEY, jnp.ones((0, 4)), 0.5, skip="subset").shape == (0, 4)
