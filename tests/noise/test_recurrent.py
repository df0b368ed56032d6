"""Noise in recurrent networks: one mask over time, and states that stay."""

from collections import namedtuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jreg import noise, random

KEY = jax.random.key(6)


@pytest.mark.parametrize("time_axis", [0, 1, -1])
def test_variational_dropout_is_dropout_with_one_mask_over_time(time_axis):
    x = jax.random.normal(KEY, (4, 5, 6))
    y = noise.variational_dropout(KEY, x, 0.5, time_axis=time_axis)
    np.testing.assert_array_equal(y, noise.dropout(KEY, x, 0.5, shared_axes=time_axis))
    dropped = y == 0
    np.testing.assert_array_equal(dropped, jnp.broadcast_to(dropped.take(jnp.array([0]), time_axis), x.shape))


def test_variational_dropout_needs_its_axis():
    with pytest.raises(ValueError, match="variational_dropout: time_axis must name axes of a 1-dimensional array"):
        noise.variational_dropout(KEY, jnp.ones(3), 0.5)
    with pytest.raises(TypeError, match="variational_dropout: time_axis must hold ints"):
        noise.variational_dropout(KEY, jnp.ones((3, 2)), 0.5, time_axis=(0, 1))


def test_one_key_in_a_scan_gives_one_mask_over_time():
    def step(state, x):
        return state, noise.dropout(KEY, x, 0.5)

    _, y = jax.lax.scan(step, 0.0, jnp.ones((20, 3, 4)))
    np.testing.assert_array_equal(y, jnp.broadcast_to(noise.dropout(KEY, jnp.ones((3, 4)), 0.5), y.shape))


def test_a_key_per_step_gives_a_mask_per_step_and_none_gives_the_expectation():
    def run(key):
        def step(state, inputs):
            step_key, x = inputs
            return noise.zoneout(step_key, state, state + x, 0.5), None

        return jax.lax.scan(step, jnp.zeros(10_000), (random.split_array(key, 20), jnp.ones(20)))[0]

    counts = run(KEY)
    np.testing.assert_allclose(counts.mean(), 10.0, atol=5 * (20 * 0.25 / 10_000) ** 0.5)
    np.testing.assert_allclose(counts.var(), 5.0, rtol=0.1)
    np.testing.assert_array_equal(run(None), jnp.full(10_000, 10.0))


def test_zoneout_keeps_the_previous_value_with_probability_rate():
    previous, proposed = jnp.zeros(10_000), jnp.ones(10_000)
    kept = noise.zoneout(KEY, previous, proposed, 0.05) == 0
    assert abs(kept.mean() - 0.05) < 5 * (0.05 * 0.95 / 10_000) ** 0.5
    np.testing.assert_array_equal(noise.zoneout(KEY, previous, proposed, 0.0), proposed)
    np.testing.assert_array_equal(noise.zoneout(KEY, previous, proposed, 1.0), previous)
    np.testing.assert_allclose(noise.zoneout(None, previous, proposed, 0.05), 0.95)


def test_zoneout_passes_the_gradient_to_the_value_that_it_took():
    previous, proposed = jnp.full(50, 2.0), jnp.full(50, 3.0)
    is_kept = noise.zoneout(KEY, previous, proposed, 0.5) == 2.0
    gradients = jax.grad(lambda a, b: noise.zoneout(KEY, a, b, 0.5).sum(), argnums=(0, 1))(previous, proposed)
    np.testing.assert_array_equal(gradients[0], is_kept)
    np.testing.assert_array_equal(gradients[1], ~is_kept)


def test_every_leaf_of_a_state_draws_its_own_mask():
    cell, hidden = jnp.zeros(100), jnp.zeros(100)
    y = noise.zoneout(KEY, (cell, hidden), (cell + 1, hidden + 1), 0.5)
    assert 20 < (y[0] == y[1]).sum() < 80
    mean = noise.zoneout(None, {"c": cell}, {"c": cell + 1}, 0.25)
    np.testing.assert_array_equal(mean["c"], jnp.full(100, 0.75))


def test_a_rate_per_unit_is_taken():
    rate = jnp.array([[0.0, 1.0]])
    y = noise.zoneout(KEY, jnp.zeros((5, 2)), jnp.ones((5, 2)), rate)
    np.testing.assert_array_equal(y, jnp.tile(jnp.array([1.0, 0.0]), (5, 1)))
    np.testing.assert_array_equal(y, noise.zoneout(None, jnp.zeros((5, 2)), jnp.ones((5, 2)), rate))


def test_states_that_do_not_fit_are_refused():
    x = jnp.ones(3)
    with pytest.raises(ValueError, match="zoneout: proposed must have the structure of previous"):
        noise.zoneout(KEY, {"c": x}, {"h": x}, 0.5)
    with pytest.raises(ValueError, match="zoneout: proposed must have the shapes of previous; at its root"):
        noise.zoneout(KEY, x, jnp.ones((1, 3)), 0.5)
    with pytest.raises(TypeError, match="zoneout: proposed must have previous's dtype, float32; got bfloat16"):
        noise.zoneout(None, x, x.astype(jnp.bfloat16), 0.5)
    with pytest.raises(TypeError, match="zoneout: previous must be an array of floats"):
        noise.zoneout(KEY, jnp.ones(3, int), jnp.ones(3, int), 0.5)


def test_the_backward_pass_keeps_the_key_and_not_the_mask():
    x = jnp.ones((64, 64))
    _, pullback = jax.vjp(lambda a, b: noise.zoneout(KEY, a, b, 0.5), x, x)
    assert all(leaf.size <= 2 for leaf in jax.tree.leaves(pullback))


def test_zoneout_takes_a_rate_for_each_part_of_a_state():
    cell, hidden = jnp.zeros(2000), jnp.zeros(2000)
    y = noise.zoneout(KEY, (cell, hidden), (cell + 1, hidden + 1), (0.5, 0.05))
    assert [abs(float(part.mean()) - kept) < 0.05 for part, kept in zip(y, (0.5, 0.95), strict=True)] == [True, True]
    keys = random.split(KEY, 2)
    np.testing.assert_array_equal(y[1], noise.zoneout(keys[1], hidden, hidden + 1, 0.05))
    mean = noise.zoneout(None, (cell, hidden), (cell + 1, hidden + 1), (0.5, 0.0))
    assert [float(part[0]) for part in mean] == [0.5, 1.0]


def test_zoneout_keeps_the_kind_of_the_state():
    state = namedtuple("State", "c h")(jnp.zeros(3), jnp.zeros(3))
    y = noise.zoneout(KEY, state, state, (0.5, 0.05))
    assert type(y) is type(state)


@pytest.mark.parametrize("rate", [(0.5,), (0.5, 0.1, 0.1)])
def test_zoneout_refuses_rates_that_do_not_match_the_state(rate):
    x = jnp.ones(3)
    with pytest.raises(ValueError, match="zoneout: rate must be one number or one for each part of the state; got"):
        noise.zoneout(KEY, (x, x), (x, x), rate)
    with pytest.raises(ValueError, match="zoneout: rate must be one number or one for each part of the state; got"):
        noise.zoneout(None, x, x, rate)
