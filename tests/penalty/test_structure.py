"""Orthogonality, spectral norms and the distance to a reference, against NumPy's decompositions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import penalty

from .table import tree

RNG = np.random.default_rng(0)
TALL = RNG.normal(size=(6, 3)).astype(np.float32)
CONV = RNG.normal(size=(3, 3, 2, 4)).astype(np.float32)


def largest(w):
    return np.linalg.svd(w.astype(np.float64), compute_uv=False)[0]


@pytest.mark.parametrize("w", [TALL, TALL.T, TALL[:3]], ids=["tall", "wide", "square"])
def test_orthogonality_is_the_sum_over_the_singular_values(w):
    """In the singular values it is sum (sigma^2 - 1)^2, whichever side is shorter."""
    expected = ((np.linalg.svd(w.astype(np.float64), compute_uv=False) ** 2 - 1.0) ** 2).sum()
    np.testing.assert_allclose(penalty.orthogonality(w), expected, rtol=1e-5)


def test_matrices_with_orthonormal_rows_or_columns_are_free():
    q = np.linalg.qr(TALL)[0]
    for w in (q, q.T):
        np.testing.assert_allclose(penalty.orthogonality(w), 0.0, atol=1e-10)
        np.testing.assert_allclose(jax.grad(penalty.orthogonality)(w), 0.0, atol=1e-5)


def test_the_gradient_of_orthogonality_has_its_closed_form():
    expected = 4.0 * TALL @ (TALL.T @ TALL - np.eye(3, dtype=np.float32))
    np.testing.assert_allclose(jax.grad(penalty.orthogonality)(TALL), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("measure", [penalty.orthogonality, penalty.spectral])
def test_a_convolution_is_the_matrix_of_its_filters(measure):
    np.testing.assert_allclose(measure(CONV), measure(CONV.reshape(18, 4)), rtol=1e-6)
    assert jax.grad(measure)(CONV).shape == CONV.shape


def test_descending_on_orthogonality_makes_the_filters_orthonormal():
    step = jax.jit(lambda w: w - 0.02 * jax.grad(penalty.orthogonality)(w))
    w = jnp.asarray(0.2 * CONV)
    for _ in range(300):
        w = step(w)
    filters = w.reshape(18, 4)
    np.testing.assert_allclose(filters.T @ filters, np.eye(4), atol=1e-3)


@pytest.mark.parametrize("shape", [(16, 16), (200, 40), (40, 200), (256, 256), (3, 3, 32, 64)])
def test_spectral_is_half_the_squared_largest_singular_value(shape):
    w = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    sigma = np.sqrt(2.0 * penalty.spectral(w))
    np.testing.assert_allclose(sigma, largest(w.reshape(-1, shape[-1])), rtol=1e-3)


def test_the_gradient_of_spectral_is_sigma_times_its_singular_vectors():
    u, sigma, v = np.linalg.svd(TALL)
    expected = sigma[0] * np.outer(u[:, 0], v[0])
    np.testing.assert_allclose(jax.grad(penalty.spectral)(TALL), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(jax.grad(penalty.spectral)(TALL.T), expected.T, rtol=1e-4, atol=1e-4)


def test_more_iterations_come_closer_from_below():
    w = np.random.default_rng(3).normal(size=(64, 64)).astype(np.float32)
    values = [float(penalty.spectral(w, num_steps=n)) for n in (1, 5, 50, 500)]
    exact = 0.5 * largest(w) ** 2
    assert values == sorted(values)
    assert values[0] < 0.9 * exact
    np.testing.assert_allclose(values[-1], exact, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_spectral_neither_vanishes_nor_overflows_in_its_gram_matrix(scale):
    value, gradient = jax.value_and_grad(penalty.spectral)(scale * TALL)
    np.testing.assert_allclose(value, 0.5 * largest(scale * TALL) ** 2, rtol=1e-3)
    assert (gradient != 0).all()


def test_the_start_of_the_power_iteration_is_not_lost_on_structured_kernels():
    """A constant start is in the null space of centred columns, a single frequency in that of other frequencies."""
    centred = TALL.T - TALL.T.mean(axis=0)
    centred_rows = TALL - TALL.mean(axis=1, keepdims=True)
    waves = [np.cos(2 * np.pi * f * np.arange(16) / 16) for f in (0, 1, 5, 8)]
    for w in (centred, centred_rows, *(np.outer(wave, wave).astype(np.float32) for wave in waves)):
        np.testing.assert_allclose(penalty.spectral(w), 0.5 * largest(w) ** 2, rtol=1e-3)


def test_l2_sp_is_half_the_squared_distance_and_its_gradient_the_difference():
    w = tree()
    start = jax.tree.map(lambda leaf: 0.5 * leaf + 1.0, w)
    gaps = [w["body"]["kernel"] - start["body"]["kernel"], w["head"][0] - start["head"][0]]
    value, gradient = jax.value_and_grad(penalty.l2_sp)(w, start)
    np.testing.assert_allclose(value, 0.5 * sum(np.sum(np.square(gap)) for gap in gaps), rtol=1e-6)
    np.testing.assert_allclose(gradient["body"]["kernel"], gaps[0], rtol=1e-6)
    np.testing.assert_array_equal(gradient["body"]["bias"], jnp.zeros(3))
    everything = 0.5 * np.sum(np.square(w["body"]["bias"] - start["body"]["bias"]))
    np.testing.assert_allclose(penalty.l2_sp(w, start, mask=None) - value, everything, rtol=1e-5)


def test_l2_sp_to_itself_is_zero_and_so_is_its_gradient():
    value, gradient = jax.value_and_grad(penalty.l2_sp)(tree(), tree())
    assert value == 0
    jax.tree.map(lambda leaf: np.testing.assert_array_equal(leaf, jnp.zeros_like(leaf)), gradient)


def test_l2_sp_takes_the_finer_dtype_of_the_two():
    w, start = jnp.full((2, 2), 1.0, jnp.bfloat16), jnp.full((2, 2), 1.001)
    np.testing.assert_allclose(penalty.l2_sp(w, start), 2.0 * 0.001**2, rtol=1e-3)
    assert jax.grad(penalty.l2_sp)(w, start).dtype == jnp.bfloat16
    np.testing.assert_allclose(penalty.l2_sp(w, np.zeros((2, 2), np.int32)), 2.0)


def test_another_structure_or_shape_is_named_by_its_path():
    other = tree() | {"head": [jnp.ones((3, 1)), None]}
    with pytest.raises(ValueError, match=r"l2_sp: reference must have the shapes of tree; at head/0 it has \(3, 1\)"):
        penalty.l2_sp(tree(), other)
    with pytest.raises(ValueError, match=r"l2_sp: reference must have the structure of tree; .*\['body/bias'"):
        penalty.l2_sp(tree(), {"body": {"kernel": tree()["body"]["kernel"]}, "head": tree()["head"]})


def test_the_number_of_iterations_is_checked():
    with pytest.raises(ValueError, match="spectral: num_steps must be at least 1; got 0"):
        penalty.spectral(TALL, num_steps=0)
    assert jax.jit(partial(penalty.spectral, num_steps=3))(TALL) > 0
