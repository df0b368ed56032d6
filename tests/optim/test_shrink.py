"""`add_l1` and `add_l2`, and the laws that every transformation of the weights obeys."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim, penalty

LEARNING_RATE = 0.1
TRANSFORMATIONS = {
    "add_l1": optim.add_l1,
    "add_l2": optim.add_l2,
    "with_decoupled_decay": partial(optim.with_decoupled_decay, optax.identity()),
    "with_decoupled_decay, coupled": partial(optim.with_decoupled_decay, optax.identity(), learning_rate=LEARNING_RATE),
    "prox_l1": lambda strength, **options: optim.prox_l1(strength, LEARNING_RATE, **options),
    "proximal": lambda strength, **options: optim.proximal(
        lambda w, t: w / (1.0 + t), strength, LEARNING_RATE, **options
    ),
}
OPTIMIZERS = {
    "add_l1": lambda strength: optax.chain(optim.add_l1(strength), optax.sgd(LEARNING_RATE, momentum=0.9)),
    "add_l2": lambda strength: optax.chain(optim.add_l2(strength), optax.sgd(LEARNING_RATE, momentum=0.9)),
    "with_decoupled_decay": lambda strength: optim.with_decoupled_decay(
        optax.sgd(LEARNING_RATE, momentum=0.9), strength, learning_rate=LEARNING_RATE
    ),
    "prox_l1": lambda strength: optax.chain(
        optax.sgd(LEARNING_RATE, momentum=0.9), optim.prox_l1(strength, LEARNING_RATE)
    ),
}
PENALTY_OF = {"add_l1": (optim.add_l1, penalty.l1), "add_l2": (optim.add_l2, penalty.l2)}

every_transformation = pytest.mark.parametrize("make", TRANSFORMATIONS.values(), ids=TRANSFORMATIONS)
every_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
every_added = pytest.mark.parametrize(("add", "measure"), PENALTY_OF.values(), ids=PENALTY_OF)


def tree(dtype=jnp.float32, seed=0):
    rng = np.random.default_rng(seed)
    kernel, bias, head = (jnp.asarray(rng.normal(size=shape), dtype) for shape in [(4, 3), (3,), (3, 2)])
    return {"dense": {"kernel": kernel, "bias": bias}, "head": [head.at[0, 0].set(0.0), None]}


def updated(transformation, gradients, params, state=None):
    state = transformation.init(params) if state is None else state
    return transformation.update(gradients, state, params)[0]


def one_step(optimizer, w, g):
    w, g = jnp.array([w]), jnp.array([g])
    return float(optax.apply_updates(w, updated(optimizer, g, w))[0])


def assert_equal_trees(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    jax.tree.map(np.testing.assert_array_equal, first, second)


def assert_close_trees(first, second, rtol=1e-5, atol=1e-6):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), first, second)


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
        gradient = jax.grad(lambda p, s=strength: s * measure(p, where=mask))(params)
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


# The laws of every transformation.


@every_transformation
def test_strength_zero_changes_nothing(make):
    assert_close_trees(updated(make(0.0), tree(seed=1), tree()), tree(seed=1))


@every_transformation
def test_a_schedule_is_read_at_the_number_of_updates_made(make):  # optax#1426
    schedule = optax.linear_schedule(0.1, 0.5, 4)
    scheduled, state = make(schedule), make(schedule).init(tree())
    for count in range(7):
        expected = updated(make(float(schedule(count))), tree(seed=1), tree())
        updates, state = scheduled.update(tree(seed=1), state, tree())
        assert_close_trees(updates, expected)


@every_transformation
def test_numbers_traced_numbers_and_schedules_share_one_state(make):  # optax#1440
    def types(state):
        return jax.tree.map(jax.typeof, state)

    number = types(make(0.1).init(tree()))
    assert types(make(optax.constant_schedule(0.1)).init(tree())) == number
    assert types(jax.jit(lambda s: make(s).init(tree()))(0.1)) == number
    assert types(make(0.1).update(tree(), make(0.1).init(tree()), tree())[1]) == number


@every_transformation
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


@every_transformation
def test_one_trace_serves_every_strength(make):  # optax#577
    traces = 0

    @jax.jit
    def update(strength):
        nonlocal traces
        traces += 1
        return updated(make(strength), tree(seed=1), tree())

    strengths = jnp.array([0.0, 0.1, 2.0])
    for strength in strengths:
        assert_close_trees(update(strength), updated(make(float(strength)), tree(seed=1), tree()))
    assert traces == 1
    mapped = jax.vmap(lambda s: updated(make(s), tree(seed=1), tree()))(strengths)
    assert_close_trees(jax.tree.map(lambda leaf: leaf[1], mapped), update(strengths[1]))


@every_transformation
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dtypes_and_shapes_are_kept(make, dtype):  # optax#1405
    params, gradients = tree(dtype), tree(dtype, seed=1)
    for strength in (0.1, 1, np.float64(0.1), jnp.bfloat16(0.1), lambda count: 0.1):
        updates = updated(make(strength), gradients, params)
        assert jax.tree.map(jnp.shape, updates) == jax.tree.map(jnp.shape, gradients)
        assert {leaf.dtype for leaf in jax.tree.leaves(updates)} == {jnp.dtype(dtype)}


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
    expected = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), updated(make(0.1), *wide))
    assert_equal_trees(updated(make(0.1), gradients, params), expected)


@every_transformation
def test_inputs_stay_as_they_are(make):
    params, gradients = (jax.tree.map(np.array, tree(seed=seed)) for seed in (0, 1))
    before = jax.tree.map(np.copy, (params, gradients))
    updated(make(0.1), gradients, params)
    assert_equal_trees((params, gradients), before)


@every_transformation
@pytest.mark.parametrize("strength", [-0.1, float("nan")])
def test_a_bad_strength_raises_when_concrete_and_gives_nan_when_traced(make, strength):
    with pytest.raises(ValueError, match="must be finite and at least 0"):
        make(strength)
    with pytest.raises(ValueError, match="must be finite and at least 0"):
        updated(make(lambda count: strength), tree(), tree())
    updates = jax.jit(lambda s: updated(make(s), tree(seed=1), tree()))(strength)
    for leaf in (updates["dense"]["kernel"], updates["head"][0]):
        assert jnp.isnan(leaf).all()
    np.testing.assert_array_equal(updates["dense"]["bias"], tree(seed=1)["dense"]["bias"])


@every_transformation
@pytest.mark.parametrize("strength", [None, "0.1", True, 1j])
def test_a_strength_that_is_no_number_raises(make, strength):
    with pytest.raises(TypeError, match="must be a real number"):
        make(strength)


@every_transformation
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
    np.testing.assert_array_equal(jnp.isnan(updates["dense"]["kernel"]), jnp.isnan(gradients["dense"]["kernel"]))


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
    updates = updated(partitioned, tree(seed=1), tree())
    expected, free = updated(make(0.1), tree(seed=1), tree()), updated(make(0.0), tree(seed=1), tree())
    assert_close_trees(updates["dense"], expected["dense"])
    assert_close_trees(updates["head"], free["head"])


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
