"""Averages: SWA is the plain mean, EMA the debiased closed form, wherever the state is."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jreg import optim
from tests.optim.table import assert_close_trees, trajectory, tree

SGD = optax.sgd(0.1, momentum=0.9)
GRADIENTS = [tree(seed=seed) for seed in range(1, 7)]


def run(optimizer, params=None, gradients=GRADIENTS):
    """The params after every step, and the last state."""
    params = tree() if params is None else params
    state, update, path = optimizer.init(params), jax.jit(optimizer.update), []
    for gradient in gradients:
        updates, state = update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        path.append(params)
    return path, state


def weighted_mean(path, weights):
    weights = np.asarray(weights) / np.sum(weights)
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves).astype(np.float64), *path)
    return jax.tree.map(lambda leaves: np.tensordot(weights, leaves, 1), stacked)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999, 1.0])
def test_the_average_is_the_mean_of_what_was_reached_weighted_by_age(decay):
    path, state = run(optax.chain(SGD, optim.average_params(decay)))
    expected = weighted_mean(path, [decay**age for age in reversed(range(len(path)))])
    assert_close_trees(optim.averaged_params(state), expected, rtol=1e-4, atol=1e-5)
    assert_close_trees(path, trajectory(SGD, tree(), GRADIENTS))


def test_the_average_is_the_debiased_one_of_optax():
    path, state = run(optax.chain(SGD, optim.average_params(0.9)))
    ema = optax.ema(0.9, debias=True)
    ema_state = ema.init(path[0])
    with jax.numpy_dtype_promotion("standard"):
        for params in path:
            expected, ema_state = ema.update(params, ema_state)
    assert_close_trees(optim.averaged_params(state), expected, rtol=1e-4, atol=1e-5)


def test_a_decay_of_zero_restarts_the_average():
    schedule = lambda step: jnp.where(step > 2, 1.0, 0.0)  # noqa: E731
    path, state = run(optax.chain(SGD, optim.average_params(schedule)))
    assert_close_trees(optim.averaged_params(state), weighted_mean(path[2:], [1.0] * 4))


def test_the_average_of_many_equal_weights_is_that_weight():
    optimizer = optax.chain(optax.sgd(0.0), optim.average_params(0.999))
    w = jnp.full(3, 0.1)

    def step(state, _):
        return optimizer.update(jnp.ones(3), state, w)[1], None

    state, _ = jax.jit(lambda s: jax.lax.scan(step, s, length=10_000))(optimizer.init(w))
    np.testing.assert_allclose(optim.averaged_params(state), w, rtol=1e-6)


def averaged():
    return optax.chain(SGD, optim.average_params(1.0))


LABELS = {"dense": {"kernel": "averaged", "bias": "plain"}, "head": "plain"}
WRAPPED = {
    "chain in chain": lambda: optax.chain(optax.clip(10.0), averaged()),
    "decay": lambda: optim.with_decoupled_decay(averaged(), 0.0),
    "float32 copy": lambda: optim.with_float32_copy(averaged()),
    "stochastic rounding": lambda: optim.with_stochastic_rounding(averaged(), None),
    "inject_hyperparams": lambda: optax.inject_hyperparams(lambda decay: optax.chain(SGD, optim.average_params(decay)))(
        decay=1.0
    ),
    "apply_if_finite": lambda: optax.apply_if_finite(averaged(), 3),
    "named chain": lambda: optax.named_chain(("step", SGD), ("average", optim.average_params(1.0))),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_the_average_is_found_in_any_state(name):
    path, state = run(WRAPPED[name](), gradients=GRADIENTS[:3])
    assert_close_trees(optim.averaged_params(state), weighted_mean(path, [1.0] * 3))


def test_in_masked_and_partitioned_states_the_average_is_of_what_they_show():
    params = tree()
    only_kernel = jax.tree.map(lambda label: label == "averaged", {**LABELS, "head": ["plain", None]})
    masked = optax.chain(SGD, optax.masked(optim.average_params(1.0), only_kernel))
    partitioned = optax.partition({"averaged": averaged(), "plain": SGD}, LABELS)
    for optimizer in (masked, partitioned):
        path, state = run(optimizer, params, GRADIENTS[:3])
        average = optim.averaged_params(state)
        assert_close_trees(average["dense"]["kernel"], weighted_mean(path, [1.0] * 3)["dense"]["kernel"])
        assert len(jax.tree.leaves(average)) == 1


def test_accumulated_batches_are_averaged_once():
    with jax.numpy_dtype_promotion("standard"):
        path, state = run(optax.MultiSteps(averaged(), every_k_schedule=2))
    assert_close_trees(optim.averaged_params(state), weighted_mean(path[1::2], [1.0] * 3))


def test_before_the_first_step_it_is_the_initial_weights_in_buffers_of_its_own():
    params = tree()
    average = optim.averaged_params(averaged().init(params))
    assert_close_trees(average, params)
    aliases = jax.tree.map(lambda a, w: a.unsafe_buffer_pointer() == w.unsafe_buffer_pointer(), average, params)
    assert not any(jax.tree.leaves(aliases))


@pytest.mark.parametrize("wrap", [averaged, lambda: optim.with_float32_copy(SGD)], ids=["average", "float32 copy"])
def test_params_may_be_donated_beside_the_state(wrap):
    optimizer, params = wrap(), tree()
    state = optimizer.init(params)

    def step(params, state):
        updates, state = optimizer.update(params, state, params)
        return optax.apply_updates(params, updates), state

    donating = jax.jit(step, donate_argnums=(0, 1))
    expected, expected_state = step(*step(params, state))
    found = donating(*donating(*jax.tree.map(jnp.copy, (params, state))))
    assert_close_trees(found, (expected, expected_state))
    donating(params, state)


def test_16_bit_weights_are_averaged_in_float32():
    w = jnp.ones(4, jnp.bfloat16)
    gradients = jnp.asarray(np.random.default_rng(0).normal(size=(9, 4)), jnp.bfloat16)
    path, state = run(averaged(), w, list(gradients))
    average = optim.averaged_params(state)
    assert average.dtype == jnp.float32
    # Compiled, the step is not rounded to 16 bits before it is averaged.
    expected = weighted_mean([w.astype(jnp.float32) for w in path], [1.0] * 9)
    np.testing.assert_allclose(average, expected, rtol=2**-8)


def test_integers_are_not_averaged():
    params = {"w": jnp.ones(2), "steps": jnp.array(3)}
    optimizer = optim.average_params(1.0)
    _, state = optimizer.update({"w": jnp.ones(2), "steps": jnp.array(1)}, optimizer.init(params), params)
    np.testing.assert_array_equal(optim.averaged_params(state)["steps"], 4)
    np.testing.assert_array_equal(optim.averaged_params(state)["w"], 2.0 * jnp.ones(2))


@pytest.mark.parametrize("wrap", [averaged, lambda: optim.with_float32_copy(SGD)], ids=["average", "float32 copy"])
def test_the_state_is_sharded_like_the_params(wrap):
    mesh = jax.make_mesh((4,), ("rows",), devices=jax.devices()[:4])
    sharding = NamedSharding(mesh, PartitionSpec("rows"))
    w, optimizer = jax.device_put(jnp.ones((8, 2)), sharding), wrap()
    state = optimizer.init(w)
    _, state = jax.jit(optimizer.update)(w, state, w)
    assert all(leaf.sharding.is_equivalent_to(sharding, 2) for leaf in jax.tree.leaves(state) if leaf.ndim == 2)


def test_the_state_is_the_same_for_every_kind_of_decay():  # optax#1440
    def types(decay):
        optimizer = optim.average_params(decay)
        state = optimizer.init(tree())
        return [jax.tree.map(jax.typeof, s) for s in (state, optimizer.update(tree(), state, tree())[1])]

    states = [*types(0.5), *types(1), *types(lambda step: 0.5), *types(lambda step: jnp.where(step > 2, 1.0, 0.0))]
    assert all(state == states[0] for state in states)


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_a_bad_decay_raises_when_concrete_and_gives_nan_when_traced(decay):  # optax.ema takes 1.5 and -0.1
    with pytest.raises(ValueError, match=r"average_params: decay must be in \[0, 1\]; got"):
        optim.average_params(decay)

    def average(decay):
        optimizer = optim.average_params(decay)
        return optim.averaged_params(optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)), jnp.ones(2))[1])

    assert jnp.isnan(jax.jit(average)(decay)).all()


def test_updates_of_another_shape_raise():
    optimizer = optim.average_params(0.9)
    with pytest.raises(ValueError, match="average_params: updates must have the shapes of params; at its root"):
        optimizer.update(jnp.ones((4, 3)), optimizer.init(jnp.ones(3)), jnp.ones(3))
    with pytest.raises(ValueError, match="average_params: params must be given to update"):
        optimizer.update(jnp.ones(3), optimizer.init(jnp.ones(3)))


def test_means_have_the_digits_of_x64_mode():
    with jax.enable_x64(True):
        path, weights = np.arange(1.0, 8.0), 0.9 ** np.arange(6, -1, -1)
        optimizer, w = optim.average_params(0.9), jnp.zeros(2)
        state = optimizer.init(w)
        for value in path:
            _, state = optimizer.update(jnp.full(2, value), state, w)
        np.testing.assert_allclose(optim.averaged_params(state), path @ weights / weights.sum(), rtol=1e-14)


@pytest.mark.parametrize("decay", [{"w": 0.9}, [0.9], None, "0.9"], ids=repr)
def test_a_decay_is_one_number_for_all(decay):
    with pytest.raises(TypeError, match=r"^average_params: decay must be a real number; got"):
        optim.average_params(decay)


def test_16_bit_weights_that_are_constrained_are_averaged_as_they_end():
    w = jnp.full((4, 1), 30.0, jnp.bfloat16)
    optimizer = optax.chain(optax.sgd(0.1), optim.constrain_unit_norm(), optim.average_params(1.0))
    state = optimizer.update(jnp.zeros_like(w), optimizer.init(w), w)[1]
    np.testing.assert_array_equal(optim.averaged_params(state), jnp.full((4, 1), 0.5))


@pytest.mark.parametrize(("start", "every"), [(2, 1), (0, 3), (1, 2), (9, 1), (2, 9)])
def test_swa_averages_every_so_many_steps_from_its_start(start, every):
    path, state = run(optax.chain(SGD, optim.average_params(1.0, start=start, every=every)))
    taken = path[start + every - 1 :: every]
    expected = weighted_mean(taken, [1.0] * len(taken)) if taken else [tree(), *path][min(start, len(path))]
    assert_close_trees(optim.averaged_params(state), expected)


def test_a_decay_that_warms_up_is_the_linear_schedule_of_optax():
    schedule = optax.linear_schedule(0.0, 0.9, 4)
    for start in (0, 2):
        _, state = run(optax.chain(SGD, optim.average_params(0.9, warmup=4, start=start)))
        path, expected = run(optax.chain(SGD, optim.average_params(lambda step: schedule(step - start), start=start)))  # noqa: B023
        assert_close_trees(optim.averaged_params(state), optim.averaged_params(expected))
    decays = np.array([schedule(step) for step in range(6)])
    weights = [np.prod(decays[age + 1 :]) for age in range(6)]
    _, state = run(optax.chain(SGD, optim.average_params(0.9, warmup=4)))
    assert_close_trees(optim.averaged_params(state), weighted_mean(path, weights))


def test_what_diverged_before_the_start_is_forgotten():
    optimizer, w = optim.average_params(1.0, start=2), jnp.ones(2)
    state = optimizer.init(w)
    for value in (jnp.nan, jnp.inf, 1.0, 3.0):
        _, state = optimizer.update(jnp.full(2, value - 1.0), state, w)
    np.testing.assert_array_equal(optim.averaged_params(state), 2.0 * w)


@pytest.mark.parametrize("options", [{"start": -1}, {"every": 0}, {"warmup": -1.0}], ids=str)
def test_bad_times_raise_when_concrete_and_give_nan_when_traced(options):
    (argument, value), *_ = options.items()
    with pytest.raises(ValueError, match=f"average_params: {argument} must be"):
        optim.average_params(0.9, **options)

    @jax.jit
    def average(value):
        optimizer = optim.average_params(0.9, **{argument: value})
        return optim.averaged_params(optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)), jnp.ones(2))[1])

    assert jnp.isnan(average(value)).all()


def test_all_its_numbers_may_be_injected_and_mapped_over():
    make = optax.inject_hyperparams(optim.average_params, static_args="mask")
    path, state = run(optax.chain(SGD, make(decay=1.0, start=2, every=2)))
    assert_close_trees(optim.averaged_params(state), weighted_mean(path[3::2], [1.0] * 2))

    def last(start):
        optimizer, w = optim.average_params(1.0, start=start), jnp.zeros(())
        state = optimizer.init(w)
        for value in (1.0, 2.0, 4.0, 8.0):
            _, state = optimizer.update(jnp.float32(value), state, w)
        return optim.averaged_params(state)

    np.testing.assert_allclose(jax.jit(jax.vmap(last))(jnp.arange(5)), [15 / 4, 14 / 3, 6.0, 8.0, 8.0], rtol=1e-6)
