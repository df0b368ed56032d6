"""16-bit weights: a weak decay does not vanish, roundings are right on average, exact zeros stay exact."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim
from tests.optim.table import applied, assert_close_trees, assert_equal_trees, trajectory, tree, updated

KEY = jax.random.key(0)
WRAPPERS = {
    "float32 copy": optim.with_float32_copy,
    "stochastic rounding": lambda inner: optim.with_stochastic_rounding(inner, KEY),
}
every_wrapper = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)


def mean(w):
    return np.asarray(w, np.float64).mean()


def decayed_for(optimizer, w, num_steps):
    def step(carry, _):
        w, state = carry
        updates, state = optimizer.update(jnp.zeros_like(w), state, w)
        return (applied(updates, w), state), None

    def run(w):
        return jax.lax.scan(step, (w, optimizer.init(w)), length=num_steps)[0]

    return jax.jit(run)(w)


def test_without_a_wrapper_a_decay_of_1e_5_vanishes():  # OneTrainer#996, ao#1124
    w, _ = decayed_for(optim.with_decoupled_decay(optax.sgd(0.1), 1e-5), jnp.ones(3, jnp.bfloat16), 1000)
    np.testing.assert_array_equal(w.astype(jnp.float32), 1.0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@every_wrapper
def test_1000_steps_of_1e_5_decay_within_one_percent(wrap, dtype):
    decay = optim.with_decoupled_decay(optax.sgd(0.1), 1e-2, learning_rate=1e-3)
    w, state = decayed_for(wrap(decay), jnp.ones(100_000, dtype), 1000)
    trained = state.copy if hasattr(state, "copy") else w
    decayed = 1.0 - mean(trained)
    np.testing.assert_allclose(decayed, 1.0 - (1.0 - 1e-5) ** 1000, rtol=0.01)
    # The 16-bit weights are the rounding of the copy, half a spacing away at most.
    np.testing.assert_allclose(mean(w), 1.0 - decayed, atol=jnp.finfo(dtype).eps / 4)


@every_wrapper
def test_a_low_learning_rate_does_not_vanish_either(wrap):
    path = trajectory(wrap(optax.sgd(1e-4)), jnp.ones(4096, jnp.bfloat16), [jnp.ones(4096, jnp.bfloat16)] * 50)
    np.testing.assert_allclose(mean(path[-1]), 0.995, atol=3e-3)


def test_roundings_go_to_both_neighbours_at_the_odds_of_the_distances():
    low, high = 1.0, 1.0 + 2**-7
    for share in (0.0, 0.1, 0.75):
        target = low + share * (high - low)
        w = jnp.full(40_000, 1.5, jnp.bfloat16)
        to_target = optax.stateless(lambda updates, params, target=target: jax.tree.map(lambda p: target - p, params))
        rounded = applied(updated(optim.with_stochastic_rounding(to_target, KEY), jnp.zeros_like(w), w), w)
        is_high = np.asarray(rounded.astype(jnp.float32) == high)
        assert np.isin(rounded.astype(jnp.float32), [low, high]).all()
        assert abs(is_high.mean() - share) <= 5 * np.sqrt(share * (1 - share) / w.size)


def test_odds_are_right_below_a_power_of_two_and_for_negative_weights():
    # The last is below the normal numbers of float16, which has the spacing of 2**-14 there.
    for dtype, target in (
        ("bfloat16", 1.0 - 2**-10),
        ("bfloat16", -1.0 + 2**-10),
        ("bfloat16", -3.01),
        ("bfloat16", 1e-3),
        ("float16", 1e-5),
    ):
        w = jnp.full(40_000, target, dtype)
        to_target = optax.stateless(lambda updates, params, target=target: jax.tree.map(lambda p: target - p, params))
        rounded = applied(updated(optim.with_stochastic_rounding(to_target, KEY), jnp.zeros_like(w), w), w)
        spacing = 2.0 ** (max(np.floor(np.log2(abs(target))), -14) - jnp.finfo(dtype).nmant)
        assert abs(mean(rounded) - target) <= 5 * 0.5 * spacing / 200


def test_steps_and_leaves_round_independently():
    optimizer = optim.with_stochastic_rounding(optim.with_decoupled_decay(optax.identity(), 2e-3), KEY)
    params = {"a": jnp.ones((50, 50), jnp.bfloat16), "c": jnp.ones((50, 50), jnp.bfloat16)}
    zeros = jax.tree.map(jnp.zeros_like, params)
    first, state = optimizer.update(zeros, optimizer.init(params), params)
    second, _ = optimizer.update(zeros, state, params)
    changed = [np.asarray(leaf != 0) for leaf in (first["a"], first["c"], second["a"], second["c"])]
    correlations = np.corrcoef([mask.ravel() for mask in changed]) - np.eye(4)
    assert np.abs(correlations).max() < 5 / 50
    assert_equal_trees(optimizer.update(zeros, state, params)[0], second)


def test_leaves_beside_none_are_rounded_too():
    params = {"absent": None, "w": jnp.ones((50, 50), jnp.bfloat16)}
    optimizer = optim.with_stochastic_rounding(optim.with_decoupled_decay(optax.identity(), 2e-3), KEY)
    updates = updated(optimizer, jax.tree.map(jnp.zeros_like, params), params)
    assert updates["absent"] is None
    assert 0 < (updates["w"] != 0).sum() < 2500


def test_the_key_none_rounds_to_the_nearest():
    params, gradients = tree("bfloat16"), tree("bfloat16", seed=1)
    optimizer = optim.with_stochastic_rounding(optax.sgd(0.1), None)
    reached = applied(updated(optimizer, gradients, params), params)
    expected = jax.tree.map(
        lambda w, g: (w.astype(jnp.float32) - 0.1 * g.astype(jnp.float32)).astype(w.dtype), params, gradients
    )
    assert_close_trees(reached, expected, rtol=2**-7, atol=2**-9)


@every_wrapper
def test_float32_weights_are_left_as_they_are(wrap):
    sgd, gradients = optax.sgd(0.1, momentum=0.9), [tree(seed=seed) for seed in (1, 2, 3)]
    assert_close_trees(trajectory(wrap(sgd), tree(), gradients), trajectory(sgd, tree(), gradients))


@every_wrapper
def test_the_optimizer_inside_computes_in_float32(wrap):
    optimizer = wrap(optax.chain(optim.add_l2(0.1), optim.average_params(0.9)))
    params = {"w": jnp.ones((2, 2), jnp.bfloat16), "steps": jnp.array(3)}
    state = optimizer.init(params)
    gradients = {"w": jnp.ones((2, 2), jnp.bfloat16), "steps": jnp.array(0)}
    updates, new_state = optimizer.update(gradients, state, params)
    assert optim.averaged_params(new_state)["w"].dtype == jnp.float32
    assert jax.tree.map(jax.typeof, new_state) == jax.tree.map(jax.typeof, state)
    assert (updates["w"].dtype, updates["steps"].dtype) == (jnp.float32, jnp.int32)


@every_wrapper
def test_exact_zeros_stay_exact(wrap):
    w = jnp.asarray(np.random.default_rng(0).normal(size=(16, 16)), jnp.bfloat16)
    optimizer = wrap(optax.chain(optax.sgd(0.1), optim.prox_l1(5.0, 0.1)))
    reached = applied(updated(optimizer, jnp.zeros_like(w), w), w)
    np.testing.assert_array_equal(reached == 0.0, jnp.abs(w) <= 0.5)


def test_weights_changed_from_outside_return_to_the_copy():
    optimizer, w = optim.with_float32_copy(optax.sgd(0.1)), jnp.ones(2, jnp.bfloat16)
    updates, state = optimizer.update(jnp.ones(2, jnp.bfloat16), optimizer.init(w), 3.0 * w)
    np.testing.assert_array_equal(applied(updates, 3.0 * w), jnp.full(2, 0.9, jnp.bfloat16))
    np.testing.assert_allclose(state.copy, 0.9, rtol=1e-6)


@every_wrapper
def test_extra_arguments_go_through_and_bad_trees_raise(wrap):
    def update(updates, state, params=None, *, value, **extra):
        return jax.tree.map(lambda u: u * value, updates), state

    optimizer = wrap(optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update))
    w = jnp.ones(2, jnp.bfloat16)
    updates, _ = optimizer.update(w, optimizer.init(w), w, value=2.0)
    np.testing.assert_array_equal(updates.astype(jnp.float32), 2.0)
    with pytest.raises(
        ValueError, match=r"with_\w+: updates must have the shapes of params; at its root it has \(1,\)"
    ):
        optimizer.update(w[:1], optimizer.init(w), w, value=2.0)
    with pytest.raises(ValueError, match=r"with_\w+: params must be given to update"):
        optimizer.update(w, optimizer.init(w), value=2.0)


def test_keys_are_checked_where_the_wrapper_is_made():
    with pytest.raises(TypeError, match="with_stochastic_rounding: key must be a PRNG key"):
        optim.with_stochastic_rounding(optax.sgd(0.1), 0)
    with pytest.raises(ValueError, match="with_stochastic_rounding: key must be a single key"):
        optim.with_stochastic_rounding(optax.sgd(0.1), jax.random.split(KEY))


def test_the_derivative_of_a_random_rounding_is_one():
    target = jnp.linspace(0.1, 2.0, 7)

    def loss(rate, key):
        w = jnp.ones(7, jnp.bfloat16)
        optimizer = optim.with_stochastic_rounding(optax.scale(-rate), key)
        updates, _ = optimizer.update(jnp.ones_like(w), optimizer.init(w), w)
        return jnp.sum((w.astype(jnp.float32) + updates) * target)

    rounded, nearest, exact = jax.grad(loss)(0.1, KEY), jax.grad(loss)(0.1, None), -jnp.sum(target)
    # The derivative too passes through the 16 bits of the weights.
    np.testing.assert_allclose([rounded, nearest], exact, rtol=2**-8)
