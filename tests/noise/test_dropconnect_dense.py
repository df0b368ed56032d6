"""DropConnect in a dense layer, against explicit masks; its moments, against all masks and against draws."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import noise, random

KEY = jax.random.key(5)


def layer(batch: int = 12, features_in: int = 9, features_out: int = 7, dtype=jnp.float32):
    x = jax.random.normal(jax.random.key(1), (batch, features_in), dtype)
    return x, jax.random.normal(jax.random.key(2), (features_in, features_out), dtype)


def explicit(key, x, kernel, rate, num_masks):
    """The same products over all masks at once."""
    draw = jax.vmap(lambda key: random.keep_mask(key, kernel.shape, rate))
    kept = jnp.repeat(draw(random.split_array(key, num_masks)), x.shape[0] // num_masks, axis=0)
    return jnp.einsum("b...i,bio->b...o", x, jnp.where(kept, kernel[None], 0.0)) / (1 - rate)


MASKS = [("example", 12), ("batch", 1), (1, 1), (3, 3), (12, 12)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("per", "num_masks"), MASKS)
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
def test_products_and_gradients_equal_those_of_explicit_masks(per, num_masks, rate):
    x, kernel = layer()

    def loss(apply):
        return lambda x, kernel: jnp.sum(jnp.sin(apply(x, kernel)))

    def dense(x, kernel):
        return noise.dropconnect_dense(KEY, x, kernel, rate, per=per)

    def reference(x, kernel):
        return explicit(KEY, x, kernel, rate, num_masks)

    np.testing.assert_allclose(dense(x, kernel), reference(x, kernel), rtol=1e-4, atol=1e-4)
    for transform in (lambda f: f, jax.jit):
        actual = transform(jax.grad(loss(dense), (0, 1)))(x, kernel)
        for one, other in zip(actual, jax.grad(loss(reference), (0, 1))(x, kernel), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_examples_are_entries_of_the_first_axis():
    x = jax.random.normal(KEY, (6, 4, 9))
    kernel = layer()[1]
    y = noise.dropconnect_dense(KEY, x, kernel, 0.4)
    np.testing.assert_allclose(y, explicit(KEY, x, kernel, 0.4, 6), rtol=1e-4, atol=1e-4)
    one = noise.dropconnect_dense(KEY, x[0, 0], kernel, 0.4)
    assert one.shape == (7,)
    np.testing.assert_allclose(one, noise.dropconnect_dense(KEY, x[0, :1], kernel, 0.4)[0], rtol=1e-6)


def test_examples_see_different_masks_and_a_shared_mask_is_one():
    x, kernel = jnp.ones((8, 100)), jnp.ones((100, 5))
    assert len(np.unique(noise.dropconnect_dense(KEY, x, kernel, 0.5)[:, 0])) > 1
    shared = noise.dropconnect_dense(KEY, x, kernel, 0.5, per="batch")
    np.testing.assert_array_equal(shared, jnp.broadcast_to(shared[:1], shared.shape))
    groups = noise.dropconnect_dense(KEY, x, kernel, 0.5, per=2)
    np.testing.assert_array_equal(groups[:4], jnp.broadcast_to(groups[:1], (4, 5)))
    assert not np.array_equal(groups[0], groups[4])


@pytest.mark.parametrize("per", ["example", "batch", "gaussian", 3])
@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_rate_zero_and_one_are_exact_with_finite_gradients(per, rate):
    x, kernel = layer()
    x = x.at[0].set(0.0)

    def total(x, kernel, rate):
        return jnp.sum(noise.dropconnect_dense(KEY, x, kernel, rate, per=per) ** 2)

    if rate in (0.0, 1.0):
        y = noise.dropconnect_dense(KEY, x, kernel, rate, per=per)
        np.testing.assert_allclose(y, (x @ kernel) * (1 - rate), rtol=1e-5, atol=1e-5)
    for gradient in jax.jit(jax.grad(total, (0, 1, 2)))(x, kernel, jnp.float32(rate)):
        assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("per", ["example", "gaussian"])
def test_draws_have_the_moments(per):
    x, kernel = layer(3)
    keys = random.split_array(KEY, 20_000)
    draws = jax.vmap(lambda key: noise.dropconnect_dense(key, x, kernel, 0.3, per=per))(keys)
    mean, variance = noise.dropconnect_moments(x, kernel, 0.3)
    assert (jnp.abs(draws.mean(0) - mean) < 5 * jnp.sqrt(variance / len(keys))).all()
    np.testing.assert_allclose(draws.var(0), variance, rtol=0.08)


def test_moments_are_those_of_all_masks():
    x = jnp.array([[0.5, -1.0, 2.0]])
    kernel = jnp.array([[1.0], [0.4], [-0.3]])
    outcomes = [
        ((np.asarray(x) * mask / 0.75) @ np.asarray(kernel), np.prod([0.75 if kept else 0.25 for kept in mask]))
        for mask in itertools.product((0, 1), repeat=3)
    ]
    mean = sum(value * share for value, share in outcomes)
    variance = sum((value - mean) ** 2 * share for value, share in outcomes)
    for actual, expected in zip(noise.dropconnect_moments(x, kernel, 0.25), (mean, variance), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_moments_at_rates_zero_and_one_and_nan():
    x, kernel = layer()
    mean, variance = noise.dropconnect_moments(x, kernel, 0.0)
    np.testing.assert_array_equal(mean, x @ kernel)
    assert not variance.any()
    for moment in noise.dropconnect_moments(x, kernel, 1.0):
        assert not moment.any()
    for moment in jax.jit(noise.dropconnect_moments)(x, kernel, 1.5):
        assert jnp.isnan(moment).all()


@pytest.mark.thorough
def test_inference_by_draws_beats_the_mean_weights():
    x, kernel = layer(4, 30, 5)
    keys = random.split_array(KEY, 4000)

    def through_relu(per):
        return jax.vmap(lambda key: jax.nn.relu(noise.dropconnect_dense(key, x, kernel, 0.5, per=per)))(keys).mean(0)

    exact = through_relu("example")
    gaussian_error = jnp.abs(through_relu("gaussian") - exact).mean()
    mean_weights_error = jnp.abs(jax.nn.relu(x @ kernel) - exact).mean()
    assert gaussian_error < 0.2 * mean_weights_error


def test_memory_holds_no_more_than_a_few_masked_kernels():
    x, kernel = layer(32, 512, 512)

    def step(x, kernel, per):
        return jax.grad(lambda x, k: jnp.sum(noise.dropconnect_dense(KEY, x, k, 0.5, per=per)), (0, 1))(x, kernel)

    for per, limit in (("example", 4), ("batch", 2), (4, 4)):
        compiled: Any = jax.jit(step, static_argnums=2).lower(x, kernel, per).compile()
        assert compiled.memory_analysis().temp_size_in_bytes < limit * kernel.nbytes


def test_vmap_over_keys_equals_a_loop_and_rates_are_traced():
    x, kernel = layer()
    keys, rates = random.split_array(KEY, 3), jnp.array([0.0, 0.4, 1.0])
    mapped = jax.vmap(lambda key, rate: noise.dropconnect_dense(key, x, kernel, rate))(keys, rates)
    for i in range(3):
        one = noise.dropconnect_dense(keys[i], x, kernel, rates[i])
        np.testing.assert_allclose(mapped[i], one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("per", ["example", "gaussian"])
def test_half_precision_is_kept_and_squares_do_not_overflow(dtype, per):
    x, kernel = layer(dtype=dtype)
    y = noise.dropconnect_dense(KEY, 1000 * x, kernel, 0.1, per=per)
    assert y.dtype == dtype
    assert jnp.isfinite(y).all()


def test_no_key_is_the_product_and_wrong_arguments_are_named():
    x, kernel = layer()
    for per in ("example", "batch", "gaussian", 3):
        np.testing.assert_array_equal(noise.dropconnect_dense(None, x, kernel, 0.5, per=per), x @ kernel)
    with pytest.raises(ValueError, match="per must divide the batch of 12; got 5"):
        noise.dropconnect_dense(KEY, x, kernel, 0.5, per=5)
    with pytest.raises(ValueError, match="per must be one of 'example', 'batch', 'gaussian'; got 'row'"):
        noise.dropconnect_dense(KEY, x, kernel, 0.5, per="row")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"dropconnect_dense: kernel must be .* got shape \(7, 9\)"):
        noise.dropconnect_dense(KEY, x, kernel.T, 0.5)
    with pytest.raises(ValueError, match=r"dropconnect_moments: rate must be in \[0, 1\]; got 2"):
        noise.dropconnect_moments(x, kernel, 2)
    with pytest.raises(TypeError, match="x must be real for normal draws; got dtype complex64"):
        noise.dropconnect_dense(KEY, x.astype(complex), kernel.astype(complex), 0.5, per="gaussian")


def test_an_empty_batch_is_kept():
    _, kernel = layer()
    for per in ("example", "batch", "gaussian", 3):
        assert noise.dropconnect_dense(KEY, jnp.ones((0, 9)), kernel, 0.5, per=per).shape == (0, 7)
