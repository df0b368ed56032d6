"""The proximal operators: closed forms, the minimizers that they are, gradients at 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import optimize

from jreg import optim


def test_soft_threshold_is_its_closed_form():
    x = jnp.array([-3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0])
    np.testing.assert_array_equal(optim.soft_threshold(x, 1.0), [-2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0])
    np.testing.assert_array_equal(optim.soft_threshold(x, 0.0), x)
    np.testing.assert_array_equal(optim.soft_threshold(x, jnp.inf), jnp.zeros(8))


def test_soft_threshold_minimizes_distance_and_penalty():
    grid = np.linspace(-3, 3, 60_001)
    for x in (-2.0, -0.3, 0.0, 0.7, 1.9):
        best = grid[np.argmin(0.5 * (grid - x) ** 2 + 0.6 * np.abs(grid))]
        np.testing.assert_allclose(optim.soft_threshold(jnp.array(x), 0.6), best, atol=1e-4)


def test_thresholds_may_differ_by_element_and_never_broadcast_ranks():
    x = jnp.ones((2, 3))
    y = optim.soft_threshold(x, jnp.array([[0.25], [2.0]]))
    np.testing.assert_array_equal(y, [[0.75] * 3, [0.0] * 3])
    with pytest.raises(ValueError, match="soft_threshold: threshold must be a scalar or broadcast"):
        optim.soft_threshold(x, jnp.ones(3))


def test_complex_values_shrink_by_their_modulus():
    np.testing.assert_allclose(optim.soft_threshold(jnp.array([3.0 + 4.0j, 0.3j]), 1.0), [2.4 + 3.2j, 0.0], rtol=1e-6)


@pytest.mark.parametrize("threshold", [-1.0, float("nan")])
def test_a_bad_threshold_raises_when_concrete_and_gives_nan_when_traced(threshold):
    with pytest.raises(ValueError, match="soft_threshold: threshold must be at least 0; got"):
        optim.soft_threshold(jnp.ones(3), threshold)
    assert jnp.isnan(jax.jit(optim.soft_threshold)(jnp.array([0.0, 1.0, -5.0]), threshold)).all()


def test_soft_threshold_does_not_hide_nan():
    y = optim.soft_threshold(jnp.array([jnp.nan, jnp.inf, -jnp.inf, 0.5]), 1.0)
    np.testing.assert_array_equal(y, [np.nan, np.inf, -np.inf, 0.0])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "complex64"])
def test_soft_threshold_keeps_the_dtype(dtype):
    x = jnp.array([-3.0, 0.5]).astype(dtype)
    y = optim.soft_threshold(x, 1.0)
    assert y.dtype == jnp.dtype(dtype)
    np.testing.assert_allclose(y.astype("complex64"), [-2.0, 0.0], rtol=1e-6)


def test_the_derivative_is_one_outside_and_zero_inside():
    slope = jax.vmap(jax.grad(optim.soft_threshold), in_axes=(0, None))(jnp.array([-3.0, -0.5, 0.0, 0.5, 3.0]), 1.0)
    np.testing.assert_array_equal(slope, [1.0, 0.0, 0.0, 0.0, 1.0])


def test_the_derivative_in_the_threshold_is_minus_the_sign():
    slope = jax.vmap(jax.grad(optim.soft_threshold, argnums=1), in_axes=(0, None))(
        jnp.array([-3.0, 0.0, 0.5, 3.0]), 1.0
    )
    np.testing.assert_array_equal(slope, [1.0, 0.0, 0.0, -1.0])


def test_block_soft_threshold_is_its_closed_form():
    x = np.random.default_rng(0).normal(size=(4, 3, 5)).astype(np.float32)
    for axis in (0, (0, 2), -1):
        norm = np.sqrt(np.sum(x**2, axis=axis, keepdims=True))
        expected = np.where(norm <= 1.8, 0.0, x * (1 - 1.8 / norm))
        np.testing.assert_allclose(optim.block_soft_threshold(jnp.asarray(x), 1.8, axis=axis), expected, rtol=1e-5)
    assert (expected == 0.0).any()


def test_of_single_elements_it_is_soft_threshold():
    x = jnp.linspace(-2.0, 2.0, 9).reshape(3, 3)
    np.testing.assert_allclose(optim.block_soft_threshold(x, 0.6, axis=()), optim.soft_threshold(x, 0.6), rtol=1e-6)


def test_operators_minimize_distance_and_penalty():
    x = np.array([0.9, -0.4, 1.3])
    penalties = (
        (optim.block_soft_threshold(jnp.array(x), 0.6, axis=0), lambda w: 0.6 * np.linalg.norm(w)),
        (optim.elastic_net_threshold(jnp.array(x), 0.6, 0.3), lambda w: 0.6 * np.abs(w).sum() + 0.15 * w @ w),
    )
    for found, penalty in penalties:
        best = optimize.minimize(
            lambda w, penalty=penalty: 0.5 * np.sum((w - x) ** 2) + penalty(w),
            x,
            method="Nelder-Mead",
            options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 10_000},
        )
        np.testing.assert_allclose(found, best.x, atol=1e-4)


def test_elastic_net_threshold_is_its_closed_form():
    x = jnp.array([-3.0, -1.0, -0.0, 0.5, 3.0])
    np.testing.assert_allclose(optim.elastic_net_threshold(x, 1.0, 0.25), [-1.6, 0.0, 0.0, 0.0, 1.6], rtol=1e-6)
    np.testing.assert_array_equal(optim.elastic_net_threshold(x, 1.0, 0.0), optim.soft_threshold(x, 1.0))
    np.testing.assert_allclose(optim.elastic_net_threshold(x, 0.0, 1.0), x / 2.0)
    np.testing.assert_array_equal(optim.elastic_net_threshold(x, 0.0, jnp.inf), jnp.zeros(5))


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_gradients_are_finite_at_zero(threshold):  # jax#3058
    def total(operator):
        return jax.grad(lambda x, t: jnp.sum(operator(x, t)), argnums=(0, 1))(jnp.zeros((2, 3)), threshold)

    for operator in (
        optim.soft_threshold,
        lambda x, t: optim.block_soft_threshold(x, t, axis=0),
        lambda x, t: optim.elastic_net_threshold(x, t, t),
    ):
        along_x, along_threshold = total(operator)
        np.testing.assert_array_equal(along_threshold, 0.0)
        # A threshold of 0 is the identity, element by element.
        assert jnp.isfinite(along_x).all()
        assert threshold == 0.0 or (along_x == 0.0).all()


def test_the_gradient_of_a_group_is_that_of_finite_differences():
    x = jnp.array([[3.0, 0.1], [4.0, 0.2]])
    check_grads(lambda x: optim.block_soft_threshold(x, 1.0, axis=0), (x,), order=1, rtol=1e-2)


def test_thresholds_of_groups_differ_by_group_and_never_within_one():
    x = jnp.ones((2, 3))
    y = optim.block_soft_threshold(x, jnp.array([[0.0, 1.0, 9.0]]), axis=0)
    np.testing.assert_allclose(y[0], [1.0, 1 - 1 / np.sqrt(2), 0.0], rtol=1e-6)
    with pytest.raises(ValueError, match=r"block_soft_threshold: threshold must be a scalar or broadcast .*\(1, 3\)"):
        optim.block_soft_threshold(x, jnp.ones((2, 1)), axis=0)


def test_bad_thresholds_of_the_others_raise_or_give_nan():
    x = jnp.array([0.0, 1.0, -5.0])
    with pytest.raises(ValueError, match="elastic_net_threshold: l2_threshold must be at least 0; got -1"):
        optim.elastic_net_threshold(x, 1.0, -1.0)
    with pytest.raises(ValueError, match="block_soft_threshold: threshold must be at least 0; got nan"):
        optim.block_soft_threshold(x, float("nan"), axis=0)
    for operator in (
        lambda x, t: optim.block_soft_threshold(x, t, axis=0),
        lambda x, t: optim.elastic_net_threshold(x, t, t),
    ):
        assert jnp.isnan(jax.jit(operator)(x, -1.0)).all()


def test_groups_that_are_not_finite_stay_visible():
    x = jnp.array([[jnp.nan, 1.0], [1.0, 3.0]])
    y = optim.block_soft_threshold(x, 1.0, axis=0)
    np.testing.assert_array_equal(jnp.isnan(y), [[True, False], [True, False]])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "complex64"])
def test_the_others_keep_the_dtype(dtype):
    x = jnp.array([3.0, 4.0]).astype(dtype)
    grouped, net = optim.block_soft_threshold(x, 1.0, axis=0), optim.elastic_net_threshold(x, 1.0, 1.0)
    assert grouped.dtype == net.dtype == jnp.dtype(dtype)
    np.testing.assert_allclose(grouped.astype("complex64"), [2.4, 3.2], rtol=4e-3)
    np.testing.assert_allclose(net.astype("complex64"), [1.0, 1.5], rtol=4e-3)
