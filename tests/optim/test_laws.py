"""The laws that every transformation of the weights obeys, row by row of the tables."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim
from tests.optim.table import (
    LEARNING_RATE,
    REPLACING,
    TRANSFORMATIONS,
    applied,
    assert_close_trees,
    assert_equal_trees,
    every_optimizer,
    every_replacing,
    every_shrinking,
    every_strength,
    every_transformation,
    tree,
    updated,
)

pytestmark = pytest.mark.sampled(3)


@every_shrinking
def test_strength_zero_changes_nothing(make):
    assert_close_trees(updated(make(0.0), tree(seed=1), tree()), tree(seed=1))


@every_strength
def test_a_schedule_is_read_at_the_number_of_updates_made(make):  # optax#1426
    schedule = optax.linear_schedule(0.1, 0.5, 4)
    scheduled, state = make(schedule), make(schedule).init(tree())
    for count in range(7):
        expected = updated(make(float(schedule(count))), tree(seed=1), tree())
        updates, state = scheduled.update(tree(seed=1), state, tree())
        assert_close_trees(updates, expected)


@every_strength
def test_every_leaf_may_have_a_strength_of_its_own(make):  # no peer takes a tree of decays
    params, gradients = tree(), tree(seed=1)
    strengths = {"dense": {"kernel": 0.1, "bias": lambda count: 0.2}, "head": jnp.float32(0.3)}
    updates = updated(make(strengths, mask=None), gradients, params)
    small, middle, large = (updated(make(strength, mask=None), gradients, params) for strength in (0.1, 0.2, 0.3))
    assert_equal_trees(updates["dense"], {"kernel": small["dense"]["kernel"], "bias": middle["dense"]["bias"]})
    assert_equal_trees(updates["head"], large["head"])
    for bad in ({"dense": 0.1}, {"dense": [0.1], "head": 0.1}, {"dense": 0.1, "head": 0.1, "tail": 0.1}):
        with pytest.raises(ValueError, match="must be a prefix of the tree"):
            updated(make(bad), gradients, params)
    with pytest.raises(ValueError, match="must be finite and at least 0; got -1"):
        make({"dense": -1, "head": 0.1})


@every_strength
def test_numbers_traced_numbers_and_schedules_share_one_state(make):  # optax#1440
    def types(state):
        return jax.tree.map(jax.typeof, state)

    number = types(make(0.1).init(tree()))
    assert types(make(optax.constant_schedule(0.1)).init(tree())) == number
    assert types(jax.jit(lambda s: make(s).init(tree()))(0.1)) == number
    assert types(make(0.1).update(tree(), make(0.1).init(tree()), tree())[1]) == number


@every_strength
def test_the_state_passes_through_cond_and_scan(make):
    transformation, params = make(0.1), tree()
    state = transformation.init(params)

    @jax.jit
    def maybe(state, wanted):
        return jax.lax.cond(wanted, lambda s: transformation.update(params, s, params)[1], lambda s: s, state)

    assert jax.tree.structure(maybe(state, True)) == jax.tree.structure(state)
    counts = [int(jax.tree.leaves(maybe(state, wanted))[-1]) for wanted in (True, False)]
    assert counts == [1, 0]
    scanned, _ = jax.lax.scan(lambda s, _: (transformation.update(params, s, params)[1], None), state, length=3)
    assert int(jax.tree.leaves(scanned)[-1]) == 3


@every_strength
def test_one_trace_serves_every_strength(make):  # optax#577
    traces = 0

    @jax.jit
    def update(strength):
        nonlocal traces
        traces += 1
        return updated(make(strength), tree(seed=1), tree())

    strengths = jnp.array([0.0, 0.1, 0.9])
    for strength in strengths:
        assert_close_trees(update(strength), updated(make(float(strength)), tree(seed=1), tree()))
    assert traces == 1
    mapped = jax.vmap(lambda s: updated(make(s), tree(seed=1), tree()))(strengths)
    assert_close_trees(jax.tree.map(lambda leaf: leaf[1], mapped), update(strengths[1]))


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_dtypes_and_shapes_are_kept(name):  # optax#1405
    for dtype in ("float32", "bfloat16", "float16"):
        params, gradients = tree(dtype), tree(dtype, seed=1)
        for strength in (0, np.float64(0.1), jnp.bfloat16(0.1), lambda count: 0.1):
            updates = updated(TRANSFORMATIONS[name](strength), gradients, params)
            kept = jax.tree.map(jax.typeof, params)
            assert jax.tree.map(jax.typeof, applied(updates, params)) == kept
            changed = jax.typeof(params["dense"]["kernel"]).update(
                dtype=jnp.dtype("float32" if name in REPLACING else dtype)
            )
            assert jax.typeof(updates["dense"]["kernel"]) == changed
            assert jax.typeof(updates["dense"]["bias"]) == kept["dense"]["bias"]


@every_replacing
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("scale", [1.0, 30.0, 300.0])
def test_what_replaces_16_bit_weights_reaches_its_value(make, dtype, scale):
    params = jax.tree.map(lambda leaf: (leaf * scale).astype(dtype), tree())
    zeros, wide = jax.tree.map(jnp.zeros_like, params), jax.tree.map(lambda leaf: leaf.astype(jnp.float32), params)
    aimed = jax.tree.map(jnp.add, wide, updated(make(0.5), jax.tree.map(jnp.zeros_like, wide), wide))
    for wrap in (lambda inner: inner, optim.with_float32_copy, partial(optim.with_stochastic_rounding, key=None)):
        reached = applied(updated(wrap(make(0.5)), zeros, params), params)
        assert_equal_trees(reached, jax.tree.map(lambda leaf: leaf.astype(dtype), aimed))


@every_transformation
def test_dtypes_are_kept_in_x64_mode(make):
    with jax.enable_x64(True):
        params = {"narrow": jnp.ones((2, 2), jnp.float32), "wide": jnp.ones((2, 2), jnp.float64)}
        updates = updated(make(0.1), params, params)
        assert jax.tree.map(lambda leaf: leaf.dtype, updates) == jax.tree.map(lambda leaf: leaf.dtype, params)


@every_transformation
def test_16_bit_updates_are_the_float32_ones_rounded(make):
    params, gradients = tree("bfloat16"), tree("bfloat16", seed=1)
    wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (gradients, params))
    rounded = updated(make(0.1), gradients, params)
    expected = jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), updated(make(0.1), *wide), rounded)
    assert_equal_trees(rounded, expected)


@every_transformation
def test_the_state_has_shapes_before_it_has_numbers(make):
    state = jax.eval_shape(make(0.1).init, tree())
    assert jax.tree.map(lambda leaf: leaf.shape, state) == jax.tree.map(jnp.shape, make(0.1).init(tree()))


@every_transformation
def test_inputs_stay_as_they_are(make):
    params, gradients = (jax.tree.map(np.array, tree(seed=seed)) for seed in (0, 1))
    before = jax.tree.map(np.copy, (params, gradients))
    updated(make(0.1), gradients, params)
    assert_equal_trees((params, gradients), before)


@every_strength
def test_a_bad_strength_raises_when_concrete_and_gives_nan_when_traced(make):
    for strength in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be finite and at least 0"):
            make(strength)
        with pytest.raises(ValueError, match="must be finite and at least 0"):
            updated(make(lambda count, strength=strength: strength), tree(), tree())
    updates = jax.jit(lambda s: updated(make(s), tree(seed=1), tree()))(-0.1)
    for leaf in (updates["dense"]["kernel"], updates["head"][0]):
        assert jnp.isnan(leaf).all()
    np.testing.assert_array_equal(updates["dense"]["bias"], tree(seed=1)["dense"]["bias"])


@every_strength
@pytest.mark.parametrize("strength", [None, "0.1", True, 1j])
def test_a_strength_that_is_no_number_raises(make, strength):
    with pytest.raises(TypeError, match="must be a real number"):
        make(strength)


@every_strength
def test_a_strength_that_is_no_scalar_raises(make):
    with pytest.raises(ValueError, match="must be a scalar"):
        updated(make(jnp.ones(3)), tree(), tree())


@every_transformation
def test_params_are_required(make):  # optax#145
    with pytest.raises(ValueError, match=r"\w+: params must be given to update"):
        make(0.1).update(tree(), make(0.1).init(tree()))


@every_transformation
def test_a_gradient_that_is_not_finite_stays_visible(make):
    gradients, params = tree(seed=1), tree()
    gradients["dense"]["kernel"] = gradients["dense"]["kernel"].at[1, 1].set(jnp.nan)
    updates = updated(make(0.1), gradients, params)
    # In a group or under a constraint of all weights it spreads to what it is scaled with.
    assert jnp.isnan(updates["dense"]["kernel"][1, 1])


@every_optimizer
def test_jit_agrees_with_eager(make):
    optimizer, params = make(0.1), tree()
    state = optimizer.init(params)
    eager = optimizer.update(tree(seed=1), state, params)
    assert_close_trees(jax.jit(optimizer.update)(tree(seed=1), state, params), eager)


@every_optimizer
def test_accumulated_batches_are_regularized_once(make):  # keras#19990
    params, gradients = tree(), [tree(seed=seed) for seed in (1, 2, 3)]
    mean = jax.tree.map(lambda *leaves: sum(leaves) / 3, *gradients)
    # optax.MultiSteps itself relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"):
        accumulated = optax.MultiSteps(make(0.1), every_k_schedule=3)
        state, large_state, large = accumulated.init(params), make(0.1).init(params), params
        update = jax.jit(accumulated.update)
        for _ in range(2):
            before = params
            for position, gradient in enumerate(gradients):
                assert_equal_trees(params, before)
                updates, state = update(gradient, state, params)
                params = optax.apply_updates(params, updates)
                before = params if position == 2 else before
            updates, large_state = make(0.1).update(mean, large_state, large)
            large = optax.apply_updates(large, updates)
    assert_close_trees(params, large)


@every_optimizer
def test_injected_strengths_are_changed_without_a_new_trace(make):
    traces = 0

    def build(strength):
        nonlocal traces
        traces += 1
        return make(strength)

    optimizer = optax.inject_hyperparams(build)(strength=0.1)
    state = optimizer.init(tree())
    update, traces = jax.jit(optimizer.update), 0
    for strength in (0.1, 0.4):
        state.hyperparams["strength"] = jnp.asarray(strength, jnp.float32)
        updates, _ = update(tree(seed=1), state, tree())
        assert_close_trees(updates, updated(make(strength), tree(seed=1), tree()))
    assert traces == 1


@pytest.mark.parametrize("make", [optim.add_l1, optim.add_l2])
def test_injection_does_not_take_the_default_mask_for_a_schedule(make):
    # optax.inject_hyperparams calls every callable argument with the step count, defaults included.
    zeros = jax.tree.map(jnp.zeros_like, tree())
    try:
        updates = updated(optax.inject_hyperparams(make)(strength=0.1), zeros, tree())
    except TypeError as error:
        assert "static_args" in str(error)  # noqa: PT017
    else:
        np.testing.assert_array_equal(updates["dense"]["bias"], jnp.zeros(3))
    injected = optax.inject_hyperparams(make, static_args="mask")(strength=0.1)
    assert_equal_trees(updated(injected, zeros, tree()), updated(make(0.1), zeros, tree()))


@every_optimizer
def test_steps_that_are_not_finite_are_skipped_whole(make):  # optax#1746
    optimizer, params = optax.apply_if_finite(make(0.1), 10), tree()
    state = optimizer.init(params)
    poisoned = jax.tree.map(lambda leaf: leaf * jnp.nan, params)
    update = jax.jit(optimizer.update)
    for _ in range(5):
        updates, state = update(poisoned, state, params)
        params = optax.apply_updates(params, updates)
    assert_equal_trees(params, tree())
    updates, state = update(tree(seed=1), state, params)
    assert_close_trees(updates, updated(make(0.1), tree(seed=1), tree()))


@every_optimizer
def test_groups_of_parameters_take_transformations_of_their_own(make):
    labels = {"dense": {"kernel": "shrunk", "bias": "free"}, "head": ["free", None]}
    partitioned = optax.partition({"shrunk": make(0.1), "free": optax.sgd(LEARNING_RATE, momentum=0.9)}, labels)
    updates, gradients = updated(partitioned, tree(seed=1), tree()), tree(seed=1)
    alone = updated(make(0.1), *({"kernel": leaves["dense"]["kernel"]} for leaves in (gradients, tree())))
    assert_close_trees(updates["dense"]["kernel"], alone["kernel"])
    assert_close_trees(updates["dense"]["bias"], -LEARNING_RATE * gradients["dense"]["bias"])
    assert_close_trees(updates["head"][0], -LEARNING_RATE * gradients["head"][0])


@every_transformation
def test_it_works_inside_optax_masked(make):
    only_bias = {"dense": {"kernel": False, "bias": True}, "head": [False, None]}
    updates = updated(optax.masked(make(0.1, mask=None), only_bias), tree(seed=1), tree())
    assert_close_trees(updates, updated(make(0.1, mask=only_bias), tree(seed=1), tree()))


@every_transformation
def test_models_can_be_mapped_over(make):
    transformation = make(0.1)
    models = [tree(seed=seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    state = jax.vmap(transformation.init)(stacked)
    mapped, _ = jax.vmap(transformation.update)(stacked, state, stacked)
    for index, params in enumerate(models):
        assert_close_trees(jax.tree.map(lambda leaf, i=index: leaf[i], mapped), updated(transformation, params, params))
