"""Proximal steps: the worked examples, exact zeros with every optimizer, the penalties that they are steps of."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim
from tests.optim.table import applied, assert_close_trees, assert_equal_trees, one_step, tree, updated

OPTIMIZERS = {
    "sgd": optax.sgd,
    "momentum": lambda rate: optax.sgd(rate, momentum=0.9),
    "adam": optax.adam,
    "rmsprop": optax.rmsprop,
    "lion": optax.lion,
}


@pytest.fixture(autouse=True)
def _standard_promotion():
    """Some optimizers of optax rely on implicit promotion."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def sparse_fit(optimizer, num_steps=300):
    """Fit a regression of which 4 of 20 inputs matter; return the weights of every step."""
    rng = np.random.default_rng(0)
    inputs, truth = rng.normal(size=(100, 20)), np.r_[2.0, -1.5, 1.0, 3.0, np.zeros(16)]
    x = jnp.asarray(inputs, jnp.float32)
    y = jnp.asarray(inputs @ truth + 0.1 * rng.normal(size=100), jnp.float32)

    @jax.jit
    def run(w):
        def step(carry, _):
            w, state = carry
            gradient = jax.grad(lambda w: 0.5 * jnp.mean((x @ w - y) ** 2))(w)
            updates, state = optimizer.update(gradient, state, w)
            w = optax.apply_updates(w, updates)
            return (w, state), w

        return jax.lax.scan(step, (w, optimizer.init(w)), length=num_steps)[1]

    return run(jnp.asarray(rng.normal(size=20), jnp.float32))


@pytest.mark.parametrize(
    ("w", "expected"), [(0.8, 0.749), (-0.8, -0.849), (0.0, -0.049), (0.0505, 0.0), (0.0495, 0.0), (0.05, 0.0)]
)
def test_the_worked_examples(w, expected):
    stepped = one_step(optax.chain(optax.sgd(0.1), optim.prox_l1(0.01, 0.1)), w, 0.5)
    np.testing.assert_allclose(stepped, expected, rtol=1e-5)
    assert (stepped == 0.0) == (expected == 0.0)


def test_elastic_net_is_l2_before_and_a_proximal_step_after():
    optimizer = optax.chain(optim.add_l2(0.01), optax.sgd(0.1), optim.prox_l1(0.01, 0.1))
    np.testing.assert_allclose(one_step(optimizer, 0.8, 0.5), 0.7482, rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zeros_are_exact_with_every_optimizer(name):
    optimizer = optax.chain(OPTIMIZERS[name](0.02), optim.prox_l1(0.3, 0.02))
    path = sparse_fit(optimizer)[-50:]
    assert (path[:, 4:] == 0.0).any()
    assert (path[:, :4] != 0.0).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_gradient_of_l1_gives_no_exact_zero(name):
    optimizer = optax.chain(optim.add_l1(0.3), OPTIMIZERS[name](0.02))
    assert (sparse_fit(optimizer)[-50:] != 0.0).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_zeros_are_exact_in_every_dtype(dtype):
    rng = np.random.default_rng(0)
    w, g = (jnp.asarray(rng.normal(size=(8, 8)), dtype) for _ in range(2))
    optimizer = optax.chain(optax.sgd(0.1), optim.prox_l1(100.0, 0.1))
    stepped = applied(updated(optimizer, g, w), w)
    np.testing.assert_array_equal(stepped, jnp.zeros_like(w))


def test_zeros_are_exact_where_gradients_are_narrower_than_the_weights():
    w, g = jnp.array([0.0505, 0.3]), jnp.array([0.5, 0.2], jnp.bfloat16)
    optimizer = optax.chain(optax.sgd(0.1), optim.prox_l1(10.0, 0.1))
    stepped = applied(updated(optimizer, g, w), w)
    np.testing.assert_array_equal(stepped, jnp.zeros(2))


def test_the_threshold_is_the_product_of_strength_and_learning_rate():
    strength, rate = optax.linear_schedule(0.0, 0.4, 4), optax.linear_schedule(0.5, 0.1, 4)
    transformation = optim.prox_l1(strength, rate)
    w, state = jnp.array([1.0, -1.0, 0.01]), transformation.init(jnp.ones(3))
    for count in range(6):
        updates, state = transformation.update(jnp.zeros(3), state, w)
        expected = optim.soft_threshold(w, float(strength(count) * rate(count)))
        np.testing.assert_allclose(w + updates, expected, rtol=1e-6, atol=1e-8)


def test_any_operator_replaces_the_weights_that_the_step_would_reach():
    optimizer = optax.chain(optax.sgd(0.1), optim.proximal(lambda w, _: jnp.maximum(w, 0.0), 1.0, 0.1, mask=None))
    params, gradients = tree(), tree(seed=1)
    updates = updated(optimizer, gradients, params)
    stepped = optax.apply_updates(params, updates)
    expected = jax.tree.map(lambda w, g: jnp.maximum(w - 0.1 * g, 0.0), params, gradients)
    assert_close_trees(stepped, expected)


def test_prox_l1_is_the_proximal_step_of_soft_threshold():
    gradients, params = tree(seed=1), tree()
    first = updated(optim.proximal(optim.soft_threshold, 0.3, 0.1), gradients, params)
    second = updated(optim.prox_l1(0.3, 0.1), gradients, params)
    assert_equal_trees(first, second)


@pytest.mark.parametrize("make", [optim.prox_l1, lambda *rest: optim.proximal(optim.soft_threshold, *rest)])
def test_a_bad_learning_rate_raises(make):
    for rate in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="learning_rate must be finite and at least 0"):
            make(0.1, rate)
    with pytest.raises(TypeError, match="learning_rate must be a real number"):
        make(0.1, None)


def test_the_elastic_net_of_no_l2_is_l1_and_of_no_l1_a_division():
    gradients, params = tree(seed=1), tree()
    first = updated(optim.prox_elastic_net(0.3, 0.0, 0.1), gradients, params)
    assert_equal_trees(first, updated(optim.prox_l1(0.3, 0.1), gradients, params))
    second = updated(optim.prox_elastic_net(0.0, 0.3, 0.1, mask=None), gradients, params)
    assert_close_trees(second, jax.tree.map(lambda g, w: (w + g) / 1.03 - w, gradients, params))


@pytest.mark.parametrize(("axis", "shape"), [(0, (1, 3)), (1, (4, 1)), ((0, 1), (1, 1)), ((-1,), (4, 1))])
def test_groups_are_charged_by_the_root_of_their_size(axis, shape):
    w = tree()["dense"]["kernel"]
    stepped = w + updated(optim.prox_group_lasso(0.5, 0.1, axis=axis), jnp.zeros_like(w), w)
    norms = np.linalg.norm(np.asarray(w, np.float64), axis=axis, keepdims=True).reshape(shape)
    threshold = 0.05 * np.sqrt(w.size / norms.size)
    np.testing.assert_allclose(stepped, w * np.maximum(1 - threshold / norms, 0.0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_groups_vanish_whole_or_stay_whole(name, dtype):
    w, g = (jnp.asarray(np.random.default_rng(seed).normal(size=(8, 32)), dtype) for seed in (0, 1))
    w = w * jnp.linspace(0.1, 2.0, 32).astype(dtype)[None]
    optimizer = optax.chain(OPTIMIZERS[name](0.02), optim.prox_group_lasso(5.0, 0.02, axis=0))
    stepped = applied(updated(optimizer, g, w), w)
    is_zero = np.asarray(stepped == 0.0)
    assert 0 < is_zero.all(axis=0).sum() < 32
    np.testing.assert_array_equal(is_zero.all(axis=0), is_zero.any(axis=0))


def test_groups_of_a_convolution_are_its_channels():
    kernel = jnp.ones((3, 3, 2, 4)).at[..., 1].mul(1e-3)
    step = optim.prox_group_lasso(1.0, 0.1, axis=(0, 1, 2))
    stepped = kernel + updated(step, jnp.zeros_like(kernel), kernel)
    np.testing.assert_array_equal((stepped == 0.0).all((0, 1, 2)), [False, True, False, False])


MAKERS_WITH_AXIS = [
    partial(optim.prox_group_lasso, 0.1, 0.1),
    partial(optim.constrain_max_norm, 1.0),
    optim.constrain_unit_norm,
]


@pytest.mark.parametrize("make", MAKERS_WITH_AXIS)
def test_an_axis_that_a_leaf_does_not_have_raises_at_init_with_its_path(make):
    message = r"^\w+: axis must name axes of a 1-dimensional array; got 1 at dense/bias$"
    with pytest.raises(ValueError, match=message):
        make(axis=1, mask=None).init(tree())
    make(axis=1).init(tree())
    for axis in (1.5, None, "0"):
        with pytest.raises(TypeError, match=r"^\w+: axis must be an int or a sequence of ints; got"):
            make(axis=axis)


def test_wide_16_bit_groups_do_not_overflow():  # maxtext#5143
    w = jnp.full((1000, 1), 300.0, jnp.float16)
    updates = updated(optim.prox_group_lasso(1.0, 0.1, axis=0), jnp.zeros_like(w), w)
    np.testing.assert_allclose(applied(updates, w).astype(jnp.float32), 299.9, rtol=1e-3)
    assert jnp.isfinite(updates).all()
