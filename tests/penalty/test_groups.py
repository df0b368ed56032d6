"""The group lasso: its formula over every kind of group, its gradient, and the proximal step that belongs to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import penalty
from jreg._core.norms import safe_norm

from .table import tree

W = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


def test_it_sums_the_norms_of_the_groups_times_the_roots_of_their_sizes():
    w = W.astype(np.float64)
    np.testing.assert_allclose(penalty.group_lasso(W, axis=0), 3**0.5 * np.linalg.norm(w, axis=0).sum(), rtol=1e-6)
    np.testing.assert_allclose(penalty.group_lasso(W, axis=-1), 5**0.5 * np.linalg.norm(w, axis=1).sum(), rtol=1e-6)


def test_filters_of_a_convolution_are_groups_of_three_axes():
    kernel = np.random.default_rng(1).normal(size=(3, 3, 2, 4)).astype(np.float32)
    expected = 18**0.5 * np.linalg.norm(kernel.reshape(18, 4).astype(np.float64), axis=0).sum()
    for axis in ((0, 1, 2), [0, -2, 1]):
        np.testing.assert_allclose(penalty.group_lasso(kernel, axis=axis), expected, rtol=1e-6)


def test_a_whole_array_is_one_group_and_groups_of_one_are_the_lasso():
    np.testing.assert_allclose(penalty.group_lasso(W, axis=(0, 1)), 15**0.5 * np.linalg.norm(W), rtol=1e-6)
    np.testing.assert_allclose(penalty.group_lasso(W, axis=()), penalty.l1(W), rtol=1e-6)


def test_kernels_of_a_tree_are_grouped_each_by_its_own_size():
    body, head = tree()["body"]["kernel"], tree()["head"][0]
    expected = 2.0 * np.linalg.norm(body, axis=0).sum() + 3**0.5 * np.linalg.norm(head, axis=0).sum()
    np.testing.assert_allclose(penalty.group_lasso(tree(), axis=0), expected, rtol=1e-6)


def test_the_gradient_is_the_direction_of_the_group_and_zero_at_an_empty_one():
    w = jnp.array([[3.0, 0.0], [4.0, -0.0]])
    gradient = jax.grad(lambda w: penalty.group_lasso(w, axis=0))(w)
    np.testing.assert_allclose(gradient, 2**0.5 * np.array([[0.6, 0.0], [0.8, 0.0]]), rtol=1e-6)


def test_its_proximal_step_is_the_block_soft_threshold_at_the_root_of_the_size():
    """The step minimizes 1/2 ||w - v||^2 + s * group_lasso(w): there the subgradient vanishes."""
    v = jnp.asarray(W)
    lengths = jnp.linalg.norm(v, axis=0, keepdims=True)
    s = jnp.median(lengths) / 3**0.5
    w = v * jnp.maximum(1.0 - s * 3**0.5 / lengths, 0.0)
    slope = (w - v) + s * jax.grad(lambda w: penalty.group_lasso(w, axis=0))(w)
    is_empty = jnp.all(w == 0.0, axis=0)
    assert 0 < int(is_empty.sum()) < 5
    np.testing.assert_allclose(slope[:, ~is_empty], 0.0, atol=1e-6)
    assert (lengths[0][is_empty] <= 1.0001 * s * 3**0.5).all()


@pytest.mark.parametrize("axis", [2, -3, (0, 0), (0.5,)])
def test_axes_that_no_leaf_has_raise(axis):
    with pytest.raises((ValueError, TypeError), match="group_lasso: axis must"):
        penalty.group_lasso(W, axis=axis)


@pytest.mark.thorough
def test_the_safe_norm_is_the_norm_with_zero_derivatives_at_zero():
    w = jnp.asarray(W).at[:, 1].set(0.0)
    np.testing.assert_allclose(safe_norm(w, 0), np.linalg.norm(w, axis=0), rtol=1e-6)
    assert safe_norm(w, (0, 1), keepdims=True).shape == (1, 1)
    assert jnp.isnan(safe_norm(jnp.array([1.0, jnp.nan])))
    assert safe_norm(jnp.array([1.0, jnp.inf])) == jnp.inf
    for derivative in (jax.jacfwd, jax.jacrev):
        assert jnp.isfinite(derivative(lambda w: safe_norm(w, 0))(w)).all()
    np.testing.assert_array_equal(jax.hessian(safe_norm)(jnp.zeros(2)), jnp.zeros((2, 2)))


def test_an_axis_that_a_leaf_does_not_have_is_named_with_its_path():
    leaves = {"dense": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}}
    with pytest.raises(
        ValueError, match=r"^group_lasso: axis must name axes of a 1-dimensional .*; got 1 at dense/bias$"
    ):
        penalty.group_lasso(leaves, axis=1, mask=None)
    with pytest.raises(
        ValueError, match=r"^group_lasso: axis must name each axis once; got \(0, -2\) at dense/kernel$"
    ):
        penalty.group_lasso(leaves, axis=(0, -2))
