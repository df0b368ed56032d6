"""Normalized weights against torch, numpy's singular values and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jreg import norm

# w = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, -1.0]]), the transpose of KERNEL
# torch.nn.utils.parametrizations.spectral_norm on Linear(3, 2) with weight w, _u = [1, 0], _v = unit(w.T @ _u);
# layer.weight read twice; (layer.weight * cotangent).sum().backward()
# torch.nn.utils.parametrizations.weight_norm on the same, original0 (the scale) = [[2.0], [0.5]]
KERNEL = jnp.array([[3.0, 0.0], [1.0, 2.0], [0.0, -1.0]])
COTANGENT = jnp.array([[1.0, -1.0], [2.0, 0.5], [3.0, 0.25]])
TORCH_SPECTRAL = [
    ([[0.9224474, 0.0], [0.3074825, 0.6149649], [0.0, -0.3074825]], [0.9805807, 0.1961161]),
    ([[0.917937, 0.0], [0.305979, 0.611958], [0.0, -0.305979]], [0.9608236, 0.2771607]),
]
TORCH_SPECTRAL_GRADIENT = [[-0.1502167, -0.4375739], [0.3721628, 0.0838178], [0.9618019, 0.0891481]]
TORCH_WEIGHT_NORM = [[1.8973665, 0.0], [0.6324555, 0.4472136], [0.0, -0.2236068]]
TORCH_BY_SCALE = [1.5811388, 0.3354102]
TORCH_BY_KERNEL = [[-0.3162278, -0.2236068], [0.9486833, 0.0447214], [1.8973666, 0.0894427]]


def kernel(shape=(3, 3, 4, 8), seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(0.5, 2.0, shape), jnp.float32)


def test_torch_agrees_about_the_spectral_norm_and_its_gradient():
    vector = jnp.array([1.0, 0.0])
    for expected, next_vector in TORCH_SPECTRAL:
        last = vector
        y, vector = norm.spectral_normalize(KERNEL, vector)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(vector, next_vector, rtol=1e-5)
    gradient = jax.grad(lambda w: jnp.sum(COTANGENT * norm.spectral_normalize(w, last)[0]))(KERNEL)
    np.testing.assert_allclose(gradient, TORCH_SPECTRAL_GRADIENT, rtol=1e-4, atol=1e-6)
    y, same = norm.spectral_normalize(KERNEL, vector, num_steps=0)
    np.testing.assert_allclose(y, TORCH_SPECTRAL[1][0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(same, vector)


def test_the_estimate_is_half_a_step_further_than_the_formula_of_the_paper():
    w, u = jnp.array([[1.0, 0.5], [-2.0, 0.0], [0.0, 3.0]]), jnp.full(2, 0.5**0.5)
    y, vector = norm.spectral_normalize(w, u)
    v = w @ u / jnp.linalg.norm(w @ u)
    of_paper, ours, largest = v @ w @ vector, jnp.linalg.norm(w @ vector), np.linalg.norm(w, 2)
    np.testing.assert_allclose(y, w / ours, rtol=1e-5)
    np.testing.assert_allclose([of_paper, ours, largest], [2.866568, 2.941427, 3.050907], rtol=1e-5)


def test_eps_is_any_number_from_zero_on_traced_or_not():
    for apply in (
        lambda eps: norm.spectral_normalize(KERNEL, jnp.ones(2), eps=eps)[0],
        lambda eps: norm.standardize_weights(KERNEL, eps=eps),
    ):
        for eps in (np.float32(1e-5), 1, 0.0):
            np.testing.assert_allclose(apply(eps), jax.jit(apply)(eps), rtol=1e-5, atol=1e-6)
        assert jnp.isnan(jax.jit(apply)(-1.0)).all()


@pytest.mark.parametrize("spec", [("a", None), (None, "b"), ("a", "b")])
def test_kernels_on_meshes_with_explicit_axes_keep_their_sharding(spec):
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(AxisType.Explicit,) * 2)
    w, vector = kernel((16, 8)), norm.init_spectral_vector(jax.random.key(0), 8)
    expected, improved = norm.spectral_normalize(w, vector)
    with jax.set_mesh(mesh):
        placed = jax.device_put(w, NamedSharding(mesh, PartitionSpec(*spec)))
        y, found = jax.jit(norm.spectral_normalize)(
            placed, jax.device_put(vector, NamedSharding(mesh, PartitionSpec()))
        )
    assert jax.typeof(y).sharding.spec == PartitionSpec(*spec)
    np.testing.assert_allclose(y, expected, rtol=1e-4)
    np.testing.assert_allclose(found, improved, rtol=1e-4)


def test_the_largest_singular_value_becomes_one():
    w = kernel()
    start = norm.init_spectral_vector(jax.random.key(0), 8)
    y, vector = jax.jit(norm.spectral_normalize, static_argnames="num_steps")(w, start, num_steps=20)
    assert y.shape == w.shape
    np.testing.assert_allclose(np.linalg.norm(y.reshape(-1, 8), 2), 1.0, rtol=1e-3)
    np.testing.assert_allclose(jnp.linalg.norm(vector), 1.0, rtol=1e-5)
    np.testing.assert_allclose(y * np.linalg.norm(w.reshape(-1, 8), 2), w, rtol=1e-3)


def test_the_kernel_of_the_caller_is_left_alone_over_many_calls():  # flax#5576
    w, vector = kernel(), norm.init_spectral_vector(jax.random.key(0), 8)
    before = np.array(w)
    for _ in range(3):
        _, vector = jax.jit(norm.spectral_normalize)(w, vector)
    norm.weight_normalize(w, jnp.ones(8))
    norm.standardize_weights(w)
    np.testing.assert_array_equal(w, before)


def test_a_kernel_of_zeros_stays_with_a_finite_gradient():
    zeros, vector, scale = jnp.zeros((4, 3)), norm.init_spectral_vector(jax.random.key(0), 3), jnp.ones(3)
    for apply in (
        lambda w: norm.spectral_normalize(w, vector)[0],
        lambda w: norm.weight_normalize(w, scale),
        norm.standardize_weights,
    ):
        y, pullback = jax.vjp(apply, zeros)
        np.testing.assert_array_equal(y, zeros)
        assert jnp.isfinite(pullback(jnp.ones((4, 3)))[0]).all()


def test_torch_agrees_about_weight_norm_and_its_gradients():
    np.testing.assert_allclose(norm.init_weight_norm(KERNEL), [10.0**0.5, 5.0**0.5], rtol=1e-6)
    y, pullback = jax.vjp(norm.weight_normalize, KERNEL, jnp.array([2.0, 0.5]))
    by_kernel, by_scale = pullback(COTANGENT)
    np.testing.assert_allclose(y, TORCH_WEIGHT_NORM, rtol=1e-5)
    np.testing.assert_allclose(by_kernel, TORCH_BY_KERNEL, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(by_scale, TORCH_BY_SCALE, rtol=1e-5)


def test_weight_norm_starts_at_the_kernel_and_ignores_its_length():
    w = kernel()
    scale = norm.init_weight_norm(w)
    np.testing.assert_allclose(norm.weight_normalize(w, scale), w, rtol=1e-5)
    np.testing.assert_allclose(norm.weight_normalize(7.0 * w, scale), w, rtol=1e-5)
    lengths = jnp.sqrt(jnp.sum(norm.weight_normalize(w, jnp.arange(8.0)) ** 2, (0, 1, 2)))
    np.testing.assert_allclose(lengths, jnp.arange(8.0), rtol=1e-5)


@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_standardized_weights_have_mean_zero_and_variance_one(mean):
    w = kernel() + mean
    y = norm.standardize_weights(w)
    wide = np.asarray(w, np.float64)
    expected = (wide - wide.mean((0, 1, 2))) / np.sqrt(wide.var((0, 1, 2)) + 1e-10)
    np.testing.assert_allclose(y, expected, rtol=1e-2, atol=1e-2 if mean else 1e-5)
    np.testing.assert_allclose(norm.standardize_weights(3.0 * w), y, rtol=1e-2, atol=1e-2 if mean else 1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_kernels_are_normalized_in_float32(dtype):
    w = (300.0 * kernel()).astype(dtype)
    wide, vector = w.astype(jnp.float32), norm.init_spectral_vector(jax.random.key(0), 8)
    scale = jnp.ones(8)
    for narrow, full in (
        (norm.spectral_normalize(w, vector)[0], norm.spectral_normalize(wide, vector)[0]),
        (norm.weight_normalize(w, scale), norm.weight_normalize(wide, scale)),
        (norm.standardize_weights(w), norm.standardize_weights(wide)),
    ):
        assert narrow.dtype == jnp.dtype(dtype)
        np.testing.assert_allclose(narrow.astype(jnp.float32), full, rtol=1e-2, atol=1e-3)


def test_bad_kernels_and_vectors_raise():
    for call, error, message in (
        (lambda: norm.spectral_normalize(KERNEL, jnp.ones(3)), ValueError, r"vector must have shape \(2,\)"),
        (
            lambda: norm.spectral_normalize(KERNEL, jnp.ones(2), num_steps=-1),
            ValueError,
            "num_steps must be at least 0",
        ),
        (
            lambda: norm.spectral_normalize(KERNEL, jnp.ones(2), eps=-1.0),
            ValueError,
            "eps must be finite and at least 0",
        ),
        (lambda: norm.standardize_weights(KERNEL, eps=jnp.ones(3)), ValueError, "eps must be a scalar"),
        (lambda: norm.weight_normalize(KERNEL, jnp.ones(3)), ValueError, r"scale must have shape \(2,\)"),
        (lambda: norm.weight_normalize(jnp.ones(3), jnp.ones(3)), ValueError, r"kernel must have shape \(\*fan_in"),
        (lambda: norm.standardize_weights(jnp.ones((1, 3))), ValueError, "kernel must have a fan-in of two or more"),
        (lambda: norm.standardize_weights(jnp.ones((3, 3), int)), TypeError, "kernel must be an array of floats"),
        (lambda: norm.init_spectral_vector(None, 3), TypeError, "key must be a PRNG key"),
    ):
        with pytest.raises(error, match=message):
            call()
