"""`add_l1`, `add_l2` and `add_elastic_net`: worked examples, and the gradients of the penalties."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim
from tests.optim.table import assert_close_trees, assert_equal_trees, every_added, one_step, tree, updated


@pytest.mark.parametrize(
    ("optimizer", "w", "expected"),
    [
        (optax.sgd(0.1), 0.8, 0.75),
        (optax.chain(optim.add_l2(0.01), optax.sgd(0.1)), 0.8, 0.7492),
        (optax.chain(optim.add_l2(0.01), optax.sgd(0.1)), -0.8, -0.8492),
        # The convention without 1/2, strength * w^2, is twice the strength.
        (optax.chain(optim.add_l2(0.02), optax.sgd(0.1)), 0.8, 0.7484),
        (optax.chain(optim.add_l2(0.02), optax.sgd(0.1)), -0.8, -0.8484),
        (optax.chain(optim.add_l1(0.01), optax.sgd(0.1)), 0.8, 0.749),
        (optax.chain(optim.add_l1(0.01), optax.sgd(0.1)), -0.8, -0.849),
        (optax.chain(optim.add_l1(0.01), optax.sgd(0.1)), 0.0, -0.05),
        (optax.chain(optim.add_l1(0.01), optax.sgd(0.1)), 0.0505, -0.0005),
        (optax.chain(optim.add_l1(0.01), optim.add_l2(0.01), optax.sgd(0.1)), 0.8, 0.7482),
        (optax.chain(optim.add_l2(0.01), optax.scale_by_adam(eps=1e-8), optax.scale(-0.1)), 0.8, 0.7),
    ],
)
def test_the_worked_examples(optimizer, w, expected):
    with jax.numpy_dtype_promotion("standard"):
        np.testing.assert_allclose(one_step(optimizer, w, 0.5), expected, rtol=1e-5)


@every_added
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("mask", [optim.kernels, None, {"dense": {"kernel": False, "bias": True}, "head": True}])
def test_what_is_added_is_the_gradient_of_the_penalty(add, measure, dtype, mask):
    params = tree(dtype)
    zeros = jax.tree.map(jnp.zeros_like, params)
    for strength in (0.0, 0.3, 7):
        gradient = jax.grad(lambda p, s=strength: s * measure(p, mask=mask))(params)
        assert_equal_trees(updated(add(strength, mask=mask), zeros, params), gradient)


@every_added
def test_it_is_added_to_the_gradient(add, measure):
    params, gradients = tree(), tree(seed=1)
    of_penalty = jax.grad(lambda p: 0.3 * measure(p))(params)
    assert_equal_trees(updated(add(0.3), gradients, params), jax.tree.map(jnp.add, gradients, of_penalty))


@every_added
def test_training_with_it_is_training_with_the_penalty_in_the_loss(add, measure):
    def loss(params):
        return jnp.sum(jnp.sin(params["dense"]["kernel"] @ params["head"][0]))

    def trained(optimizer, loss):
        params = tree()
        state = optimizer.init(params)

        @jax.jit
        def step(params, state):
            updates, state = optimizer.update(jax.grad(loss)(params), state, params)
            return optax.apply_updates(params, updates), state

        for _ in range(5):
            params, state = step(params, state)
        return params

    sgd = optax.sgd(0.1, momentum=0.9)
    assert_close_trees(trained(optax.chain(add(0.3), sgd), loss), trained(sgd, lambda p: loss(p) + 0.3 * measure(p)))


@every_added
def test_complex_weights_shrink_along_their_direction(add, measure):
    w = jnp.array([3.0 + 4.0j, 0.0j])
    of_penalty = jnp.conj(jax.grad(lambda w: 0.3 * measure(w))(w))
    np.testing.assert_allclose(updated(add(0.3), jnp.zeros_like(w), w), of_penalty, rtol=1e-6)


def test_the_gradient_of_l1_at_zero_is_zero():  # jax#37820
    w = jnp.array([0.0, -0.0])
    np.testing.assert_array_equal(updated(optim.add_l1(0.3), jnp.zeros(2), w), jnp.zeros(2))


def test_with_adam_and_no_gradient_the_strength_of_l2_cancels():
    def last(strength):
        w = jnp.ones(1)
        optimizer = optax.chain(optim.add_l2(strength), optax.adam(0.1))
        state = optimizer.init(w)
        for _ in range(5):
            updates, state = optimizer.update(jnp.zeros(1), state, w)
            w = optax.apply_updates(w, updates)
        return float(w[0])

    with jax.numpy_dtype_promotion("standard"):
        np.testing.assert_allclose(last(0.01), 0.508, atol=1e-3)
        np.testing.assert_allclose(last(10.0), last(0.01), rtol=1e-4)


def test_coupled_and_decoupled_decay_differ_by_the_size_of_the_gradient():  # optax#417
    w, g = jnp.ones(2), jnp.array([1.0, 100.0])
    with jax.numpy_dtype_promotion("standard"):
        coupled = updated(optax.chain(optim.add_l2(0.1), optax.adam(0.1)), g, w)
        decoupled = updated(optim.with_decoupled_decay(optax.adam(0.1), 0.1, learning_rate=0.1), g, w)
    np.testing.assert_allclose(coupled, [-0.1, -0.1], rtol=1e-5)
    np.testing.assert_allclose(decoupled, [-0.11, -0.11], rtol=1e-5)
    np.testing.assert_allclose(
        updated(optax.chain(optim.add_l2(0.1), optax.sgd(0.1)), g, w), [-0.11, -10.01], rtol=1e-5
    )
