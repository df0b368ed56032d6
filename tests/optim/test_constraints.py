"""Constraints: Keras's max-norm, unit norms, and every projection of optax."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import projections

from jreg import optim
from tests.optim.table import LEARNING_RATE, applied, assert_close_trees, tree, updated


def stepped(transformation, w, update=None):
    return applied(updated(transformation, jnp.zeros_like(w) if update is None else update, w), w)


def keras_max_norm(w, max_value, axis):
    """The formula of keras.constraints.MaxNorm."""
    norms = np.sqrt(np.sum(np.square(w), axis=axis, keepdims=True))
    return w * (np.clip(norms, 0, max_value) / (1e-7 + norms))


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 1)])
def test_max_norm_is_that_of_keras(axis):
    w = np.random.default_rng(0).normal(size=(4, 6))
    found = stepped(optim.constrain_max_norm(2.0, axis=axis), jnp.asarray(w, jnp.float32))
    np.testing.assert_allclose(found, keras_max_norm(w, 2.0, axis), rtol=1e-5)


def test_max_norm_of_a_convolution_is_by_channel():
    w = np.random.default_rng(0).normal(size=(3, 3, 2, 5))
    found = stepped(optim.constrain_max_norm(4.0, axis=(0, 1, 2)), jnp.asarray(w, jnp.float32))
    np.testing.assert_allclose(found, keras_max_norm(w, 4.0, (0, 1, 2)), rtol=1e-5)
    assert 0 < (np.linalg.norm(w.reshape(-1, 5), axis=0) > 4.0).sum() < 5


def test_what_the_step_reaches_is_constrained():
    w, g = jnp.array([[0.6], [0.8]]), jnp.array([[-30.0], [-40.0]])
    optimizer = optax.chain(optax.sgd(LEARNING_RATE), optim.constrain_max_norm(2.0))
    np.testing.assert_allclose(stepped(optimizer, w, g), [[1.2], [1.6]], rtol=1e-6)


def test_a_limit_of_zero_gives_zeros_and_one_of_inf_is_refused():
    np.testing.assert_array_equal(stepped(optim.constrain_max_norm(0.0), jnp.ones((2, 2))), jnp.zeros((2, 2)))
    with pytest.raises(ValueError, match="constrain_max_norm: limit must be finite and at least 0; got inf"):
        optim.constrain_max_norm(float("inf"))


def test_units_are_scaled_to_norm_one_and_zeros_stay():
    w = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32).at[:, 1].set(0.0)
    norms = jnp.linalg.norm(stepped(optim.constrain_unit_norm(), w), axis=0)
    np.testing.assert_allclose(norms, [1.0, 0.0, 1.0], rtol=1e-6)


@pytest.mark.parametrize("make", [optim.constrain_unit_norm, lambda: optim.constrain_max_norm(1.0)])
def test_constraints_are_differentiable_at_zero(make):
    gradient = jax.jacobian(lambda w: stepped(make(), w))(jnp.zeros((2, 2)))
    assert jnp.isfinite(gradient).all()


@pytest.mark.parametrize("make", [optim.constrain_unit_norm, lambda: optim.constrain_max_norm(1.0)])
def test_norms_of_16_bit_units_do_not_overflow(make):  # maxtext#5143
    w = jnp.full((1000, 1), 300.0, jnp.float16)
    np.testing.assert_allclose(stepped(make(), w).astype(jnp.float32), 1000**-0.5, rtol=1e-3)
    np.testing.assert_allclose(updated(make(), jnp.zeros_like(w), w).astype(jnp.float32), -300.0, rtol=1e-3)


def mapped(projection):
    return lambda chosen: jax.tree.map(projection, chosen)


# Every function of optax.projections: as it is where it takes a tree, mapped where it takes an array.
PROJECTIONS = {
    "projection_box": mapped(lambda leaf: projections.projection_box(leaf, -0.5, 0.5)),
    "projection_halfspace": lambda chosen: projections.projection_halfspace(
        chosen, jax.tree.map(jnp.ones_like, chosen), 0.5
    ),
    "projection_hypercube": mapped(projections.projection_hypercube),
    "projection_hyperplane": lambda chosen: projections.projection_hyperplane(
        chosen, jax.tree.map(jnp.ones_like, chosen), 0.5
    ),
    "projection_l1_ball": projections.projection_l1_ball,
    "projection_l1_sphere": projections.projection_l1_sphere,
    "projection_l2_ball": projections.projection_l2_ball,
    "projection_l2_sphere": projections.projection_l2_sphere,
    "projection_linf_ball": lambda chosen: projections.projection_linf_ball(chosen, 0.5),
    "projection_non_negative": projections.projection_non_negative,
    "projection_simplex": projections.projection_simplex,
    "projection_vector": lambda chosen: projections.projection_vector(chosen, jax.tree.map(jnp.ones_like, chosen)),
}


def test_the_table_of_projections_is_whole():
    public = {name for name, value in inspect.getmembers(projections, callable) if name.startswith("projection_")}
    assert set(PROJECTIONS) == public


@pytest.mark.parametrize("name", PROJECTIONS)
def test_every_projection_of_optax_constrains_the_kernels_as_one_tree(name):
    params, gradients = tree(), tree(seed=1)
    projection = PROJECTIONS[name]
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        optimizer = optax.chain(optax.sgd(LEARNING_RATE), optim.constrain(projection))
        reached = optax.apply_updates(params, updated(optimizer, gradients, params))
        plain = jax.tree.map(lambda w, g: w - LEARNING_RATE * g, params, gradients)
        expected = projection([plain["dense"]["kernel"], plain["head"][0]])
    assert_close_trees([reached["dense"]["kernel"], reached["head"][0]], expected)
    assert_close_trees(reached["dense"]["bias"], plain["dense"]["bias"])


def test_a_projection_of_one_array_is_mapped_over_the_leaves():
    optimizer = optim.constrain(mapped(projections.projection_simplex))
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        updates = updated(optimizer, jax.tree.map(jnp.zeros_like, tree()), tree())
    reached = jax.tree.map(jnp.add, tree(), updates)
    for leaf in (reached["dense"]["kernel"], reached["head"][0]):
        np.testing.assert_allclose(jnp.sum(leaf), 1.0, rtol=1e-5)
        assert (leaf > -1e-6).all()


@pytest.mark.parametrize(
    ("projection", "message"),
    [
        (lambda chosen: jax.tree.leaves(chosen), "what projection returns must have the structure of what it is given"),
        (lambda chosen: jax.tree.map(jnp.sum, chosen), "must have the shapes of what it is given; at dense/kernel"),
    ],
    ids=["structure", "shape"],
)
def test_a_projection_that_changes_the_tree_raises(projection, message):
    with pytest.raises(ValueError, match=f"constrain: .*{message}"):
        updated(optim.constrain(projection), tree(), tree())


def test_bfloat16_weights_are_projected_in_float32():
    w = jnp.asarray(np.random.default_rng(0).normal(size=(64, 4)), jnp.bfloat16)
    found = stepped(optim.constrain(projections.projection_l2_ball), w).astype(jnp.float32)
    wide = w.astype(jnp.float32)
    np.testing.assert_allclose(found, wide / jnp.linalg.norm(wide), rtol=2**-8)


def test_max_norm_keeps_its_schedule_and_its_injected_limit():
    w, optimizer = jnp.full((4, 1), 5.0), optim.constrain_max_norm(optax.linear_schedule(4.0, 2.0, 2))
    state = optimizer.init(w)
    for expected in (4.0, 3.0, 2.0, 2.0):
        updates, state = optimizer.update(jnp.zeros_like(w), state, w)
        np.testing.assert_allclose(jnp.linalg.norm(w + updates), expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bit_units_have_the_norm_asked_for(dtype, scale):
    rng = np.random.default_rng(0)
    w = jnp.asarray(rng.normal(size=(64, 8)) * scale, dtype)
    g = jnp.asarray(rng.normal(size=(64, 8)), dtype)
    digits = float(jnp.finfo(dtype).eps)
    for optimizer in (
        optax.chain(optax.sgd(0.1), optim.constrain_max_norm(1.0)),
        optim.with_stochastic_rounding(optax.chain(optax.sgd(0.1), optim.constrain_unit_norm()), jax.random.key(0)),
        optim.with_float32_copy(optax.chain(optax.sgd(0.1), optim.constrain_unit_norm())),
    ):
        reached = applied(updated(optimizer, g, w), w).astype(jnp.float32)
        np.testing.assert_allclose(jnp.linalg.norm(reached, axis=0), 1.0, rtol=digits)
    balls = optim.constrain(lambda tree: jax.tree.map(lambda leaf: projections.projection_l2_ball(leaf, 1.0), tree))
    reached = applied(updated(balls, g, w), w).astype(jnp.float32)
    np.testing.assert_allclose(jnp.linalg.norm(reached), 1.0, rtol=digits)


# The spectral norm.


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 2, 4), (5,)])
@pytest.mark.parametrize("limit", [0.0, 1.0, 2.5, 100.0])
def test_singular_values_are_capped_and_nothing_else_changes(shape, limit):
    w = np.random.default_rng(0).normal(size=shape)
    left, sizes, right = np.linalg.svd(w.reshape(-1, shape[-1]) if len(shape) > 1 else w[None], full_matrices=False)
    expected = (left * np.minimum(sizes, limit) @ right).reshape(shape)
    w = jnp.asarray(w, jnp.float32)
    updates = updated(optim.constrain_spectral_norm(limit), jnp.zeros_like(w), w)
    np.testing.assert_allclose(w + updates, expected, atol=2e-6)
    if limit == 100.0:
        np.testing.assert_array_equal(updates, jnp.zeros_like(w))


def test_it_is_the_nearest_matrix_within_the_limit():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(5, 4))
    projected = w + np.asarray(
        updated(optim.constrain_spectral_norm(1.0), jnp.zeros((5, 4)), jnp.asarray(w, jnp.float32))
    )
    for _ in range(50):
        other = rng.normal(size=(5, 4))
        other /= np.linalg.norm(other, 2)
        assert (
            np.sum((w - projected) * (other - projected)) <= 1e-5
        )  # An obtuse angle: the projection onto a convex set.


def test_complex_kernels_are_capped():
    rng = np.random.default_rng(0)
    w = jnp.asarray(rng.normal(size=(4, 3)) + 1j * rng.normal(size=(4, 3)), jnp.complex64)
    reached = w + updated(optim.constrain_spectral_norm(1.0), jnp.zeros_like(w), w)
    sizes = np.linalg.svd(w, compute_uv=False)
    np.testing.assert_allclose(np.linalg.svd(reached, compute_uv=False), np.minimum(sizes, 1.0), rtol=1e-5)
