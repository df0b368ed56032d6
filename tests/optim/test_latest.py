"""The mean of the last few snapshots."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim
from tests.optim.table import assert_close_trees, tree
from tests.optim.test_average import GRADIENTS, SGD, run, weighted_mean


@pytest.mark.parametrize(("num", "every"), [(1, 1), (2, 1), (3, 2), (2, 4), (5, 3), (9, 1)])
def test_it_is_the_mean_of_the_last_snapshots(num, every):
    path, state = run(optax.chain(SGD, optim.latest_average(num, every=every)))
    taken = path[every - 1 :: every][-num:]
    assert_close_trees(optim.averaged_params(state), weighted_mean(taken, [1.0] * len(taken)))


def test_before_the_first_snapshot_it_is_the_initial_weights_in_buffers_of_its_own():
    params = tree()
    optimizer = optim.latest_average(1, every=10)
    state = optimizer.init(params)
    pairs = zip(jax.tree.leaves(state.weights), jax.tree.leaves(params), strict=True)
    assert not any(held.unsafe_buffer_pointer() == w.unsafe_buffer_pointer() for held, w in pairs)
    for gradient in GRADIENTS[:3]:
        assert_close_trees(optim.averaged_params(state), params)
        _, state = optimizer.update(gradient, state, params)


def test_old_snapshots_leave_no_trace_not_even_a_nan():
    optimizer, w = optim.latest_average(2), jnp.zeros(2)
    state = optimizer.init(w)
    for value in (1.0, jnp.nan, 3.0, 5.0):
        _, state = optimizer.update(jnp.full(2, value), state, w)
    np.testing.assert_array_equal(optim.averaged_params(state), jnp.full(2, 4.0))


def test_16_bit_snapshots_stay_16_bit_and_their_mean_is_float32():
    w = jnp.ones(4, jnp.bfloat16)
    optimizer = optim.latest_average(3)
    state = optimizer.init(w)
    for value in (0.0, 2**-7, 2**-7):
        _, state = optimizer.update(jnp.full(4, value, jnp.bfloat16), state, w)
    assert [leaf.dtype for leaf in jax.tree.leaves(state.weights)] == [jnp.bfloat16]
    average = optim.averaged_params(state)
    assert average.dtype == jnp.float32
    np.testing.assert_allclose(average, 1.0 + 2 / 3 * 2**-7, rtol=1e-6)


def test_bad_numbers_raise_or_give_nan():
    with pytest.raises(ValueError, match="latest_average: num must be at least 1; got 0"):
        optim.latest_average(0)
    with pytest.raises(ValueError, match="latest_average: every must be at least 1; got 0"):
        optim.latest_average(2, every=0)

    @jax.jit
    def average(every):
        optimizer = optim.latest_average(2, every=every)
        return optim.averaged_params(optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)), jnp.ones(2))[1])

    np.testing.assert_array_equal(average(1), 2.0)
    assert jnp.isnan(average(0)).all()


def test_a_constant_rate_with_it_reaches_what_a_linear_decay_does():
    """With the same gradients: the mean of k + 1 checkpoints is a decay of the rate over the last k steps."""
    k, gradients = 4, GRADIENTS
    path, state = run(optax.chain(optax.sgd(0.1), optim.latest_average(k + 1)), gradients=gradients)
    decay = jnp.concatenate([jnp.ones(len(gradients) - k), 1.0 - jnp.arange(1, k + 1) / (k + 1)])
    decayed, _ = run(optax.sgd(lambda step: 0.1 * decay[step]), gradients=gradients)
    assert_close_trees(optim.averaged_params(state), decayed[-1])
    assert_close_trees(optim.averaged_params(state), optim.merge_params(path[-k - 1 :], [1.0] * (k + 1)))
