"""Proximal steps: the operator, the worked examples, exact zeros with every optimizer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim
from tests.optim.test_shrink import assert_close_trees, one_step, tree, updated

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
    np.testing.assert_array_equal(y, jnp.array([-2.0, 0.0]).astype(dtype))


def test_the_derivative_is_one_outside_and_zero_inside():
    slope = jax.vmap(jax.grad(optim.soft_threshold), in_axes=(0, None))(jnp.array([-3.0, -0.5, 0.0, 0.5, 3.0]), 1.0)
    np.testing.assert_array_equal(slope, [1.0, 0.0, 0.0, 0.0, 1.0])


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
    stepped = optax.apply_updates(w, updated(optimizer, g, w))
    np.testing.assert_array_equal(stepped, jnp.zeros_like(w))


def test_zeros_are_exact_where_gradients_are_narrower_than_the_weights():
    w, g = jnp.array([0.0505, 0.3]), jnp.array([0.5, 0.2], jnp.bfloat16)
    optimizer = optax.chain(optax.sgd(0.1), optim.prox_l1(10.0, 0.1))
    stepped = optax.apply_updates(w, updated(optimizer, g, w))
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
    jax.tree.map(np.testing.assert_array_equal, first, second)


@pytest.mark.parametrize("make", [optim.prox_l1, lambda *rest: optim.proximal(optim.soft_threshold, *rest)])
def test_a_bad_learning_rate_raises(make):
    for rate in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="learning_rate must be finite and at least 0"):
            make(0.1, rate)
    with pytest.raises(TypeError, match="learning_rate must be a real number"):
        make(0.1, None)
