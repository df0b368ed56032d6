"""Decoupled decay: optax's AdamW, both conventions of the learning rate, another origin."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim
from tests.optim.table import applied, assert_close_trees, one_step, trajectory, tree, updated

GRADIENTS = np.random.default_rng(5).normal(size=(5, 3))
START = np.array([1.0, -2.0, 0.5])


@pytest.fixture(autouse=True)
def _standard_promotion():
    """optax.adam and optax.adamw rely on implicit promotion."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def transcribed(rule, weight_decay, rate, momentum=0.9, betas=(0.9, 0.999), eps=1e-8):
    """The update rules by hand, in float64, from START along GRADIENTS."""
    w, m, v, path = START.copy(), np.zeros(3), np.zeros(3), []
    for t, g in enumerate(GRADIENTS, 1):
        if rule in ("sgd", "adam"):
            g = g + weight_decay * w
        if rule in ("sgdw", "adamw"):
            w = w * (1 - rate * weight_decay)
        if rule in ("sgd", "sgdw"):
            m = momentum * m + g
            w = w - rate * m
        else:
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g**2
            w = w - rate * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
        path.append(w)
    return np.stack(path)


@pytest.mark.parametrize(
    ("rule", "optimizer"),
    [
        ("sgd", optax.chain(optim.add_l2(0.3), optax.sgd(0.1, momentum=0.9))),
        ("adam", optax.chain(optim.add_l2(0.3), optax.adam(0.1))),
        ("sgdw", optim.with_decoupled_decay(optax.sgd(0.1, momentum=0.9), 0.3, learning_rate=0.1)),
        ("adamw", optim.with_decoupled_decay(optax.adam(0.1), 0.3, learning_rate=0.1)),
    ],
)
def test_trajectories_are_those_computed_by_hand(rule, optimizer):
    path = trajectory(optimizer, jnp.asarray(START, jnp.float32), jnp.asarray(GRADIENTS, jnp.float32))
    np.testing.assert_allclose(jnp.stack(path), transcribed(rule, 0.3, 0.1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "rate", [0.1, optax.cosine_decay_schedule(0.1, 4), optax.piecewise_constant_schedule(0.1, {2: 0.1})]
)
@pytest.mark.parametrize("mask", [None, optim.kernels])
def test_around_adam_it_is_the_adamw_of_optax(rate, mask):
    ours = optim.with_decoupled_decay(optax.adam(rate), 0.3, learning_rate=rate, mask=mask)
    theirs = optax.adamw(rate, weight_decay=0.3, mask=mask)
    gradients = [tree(seed=seed) for seed in range(1, 7)]
    for one, other in zip(*(trajectory(each, tree(), gradients) for each in (ours, theirs)), strict=True):
        assert_close_trees(one, other)


@pytest.mark.parametrize(
    ("options", "w", "expected"),
    [
        ({}, 0.8, 0.742),
        ({"learning_rate": 0.1}, 0.8, 0.7492),
        ({}, -0.8, -0.842),
        ({"learning_rate": 0.1}, -0.8, -0.8492),
        ({}, 0.0, -0.05),
    ],
)
def test_the_worked_examples(options, w, expected):
    optimizer = optim.with_decoupled_decay(optax.sgd(0.1), 0.01, **options)
    np.testing.assert_allclose(one_step(optimizer, w, 0.5), expected, rtol=1e-6)


def test_the_worked_example_of_adamw():
    optimizer = optim.with_decoupled_decay(optax.adam(0.1), 0.01, learning_rate=0.1)
    np.testing.assert_allclose(one_step(optimizer, 0.8, 0.5), 0.6992, rtol=1e-6)


def test_without_momentum_it_is_l2_and_with_momentum_it_is_not():
    params, gradients = tree(), [tree(seed=seed) for seed in range(1, 5)]

    def last(momentum, decoupled):
        sgd = optax.sgd(0.1, momentum=momentum)
        wrapped = optim.with_decoupled_decay(sgd, 0.3, learning_rate=0.1)
        return trajectory(wrapped if decoupled else optax.chain(optim.add_l2(0.3), sgd), params, gradients)[-1]

    assert_close_trees(last(None, True), last(None, False))
    difference = last(0.9, True)["dense"]["kernel"] - last(0.9, False)["dense"]["kernel"]
    assert jnp.abs(difference).max() > 0.01


def test_without_a_gradient_the_weights_decay_by_the_share_and_no_more():
    w, zeros = jnp.ones(1), [jnp.zeros(1)] * 5
    coupled = trajectory(optim.with_decoupled_decay(optax.adam(0.1), 0.01, learning_rate=0.1), w, zeros)
    np.testing.assert_allclose(jnp.concatenate(coupled), 0.999 ** np.arange(1, 6), rtol=1e-6)
    paper = trajectory(optim.with_decoupled_decay(optax.adam(0.1), 0.01), w, zeros)
    np.testing.assert_allclose(jnp.concatenate(paper), 0.99 ** np.arange(1, 6), rtol=1e-6)


@pytest.mark.parametrize("rate", [1e-3, 1e-2])
def test_the_papers_form_does_not_depend_on_the_learning_rate(rate):  # apex#1849
    w, zeros = jnp.ones(3), jnp.zeros(3)
    paper = updated(optim.with_decoupled_decay(optax.adam(rate), 0.01), zeros, w)
    np.testing.assert_allclose(paper, -0.01 * w, rtol=1e-6)
    coupled = updated(optim.with_decoupled_decay(optax.adam(rate), 0.01, learning_rate=rate), zeros, w)
    np.testing.assert_allclose(coupled, -rate * 0.01 * w, rtol=1e-6)


def test_both_strength_and_learning_rate_may_be_schedules():
    decay, rate = optax.linear_schedule(0.0, 0.4, 4), optax.linear_schedule(0.2, 0.0, 4)
    optimizer = optim.with_decoupled_decay(optax.identity(), decay, learning_rate=rate)
    w, state = jnp.ones(3), optimizer.init(jnp.ones(3))
    for count in range(6):
        updates, state = optimizer.update(jnp.zeros(3), state, w)
        np.testing.assert_allclose(updates, -float(decay(count) * rate(count)) * w, rtol=1e-6)


@pytest.mark.parametrize("rate", [-0.1, float("nan")])
def test_a_bad_learning_rate_raises(rate):
    with pytest.raises(ValueError, match="with_decoupled_decay: learning_rate must be finite and at least 0"):
        optim.with_decoupled_decay(optax.sgd(0.1), 0.1, learning_rate=rate)
    traced = jax.jit(
        lambda r: updated(optim.with_decoupled_decay(optax.sgd(0.1), 0.1, learning_rate=r), jnp.ones(3), jnp.ones(3))
    )
    assert jnp.isnan(traced(rate)).all()


def test_a_cautious_decay_never_works_against_the_step():
    w = jnp.array([1.0, 1.0, -1.0, -1.0, 1.0])
    g = jnp.array([1.0, -1.0, 1.0, -1.0, 0.0])
    updates = updated(optim.with_decoupled_decay(optax.sgd(0.1), 0.5, cautious=True), g, w)
    np.testing.assert_allclose(updates, [-0.6, 0.1, -0.1, 0.6, -0.5], rtol=1e-6)


def test_a_cautious_decay_lets_nan_through():
    optimizer = optim.with_decoupled_decay(optax.sgd(0.1), 0.5, cautious=True)
    assert jnp.isnan(updated(optimizer, jnp.array([jnp.nan]), jnp.ones(1))).all()


def test_the_wrapped_optimizer_gets_its_extra_arguments():
    def init(params):
        return optax.EmptyState()

    def update(updates, state, params=None, *, value, **extra):
        return jax.tree.map(lambda u: u * value, updates), state

    optimizer = optim.with_decoupled_decay(optax.GradientTransformationExtraArgs(init, update), 0.5)
    w = jnp.ones(3)
    updates, _ = optimizer.update(jnp.ones(3), optimizer.init(w), w, value=2.0)
    np.testing.assert_allclose(updates, 1.5 * w)


def test_the_wrapped_state_is_found_inside():
    optimizer = optim.with_decoupled_decay(optax.adam(0.1), 0.1)
    state = optimizer.init(tree())
    inner, _ = state
    assert jax.tree.structure(inner) == jax.tree.structure(optax.adam(0.1).init(tree()))
    assert int(optax.tree.get(inner, "count")) == 0


def test_it_nests_and_decays_groups_by_strengths_of_their_own():
    in_head, in_dense = optim.matching("^head"), optim.matching("^dense/kernel")
    optimizer = optim.with_decoupled_decay(optax.sgd(0.1), 0.5, mask=in_head)
    optimizer = optim.with_decoupled_decay(optimizer, 0.1, mask=in_dense)
    params, gradients = tree(), tree(seed=1)
    updates = updated(optimizer, gradients, params)
    plain = updated(optax.sgd(0.1), gradients, params)
    assert_close_trees(updates["head"][0], plain["head"][0] - 0.5 * params["head"][0])
    assert_close_trees(updates["dense"]["kernel"], plain["dense"]["kernel"] - 0.1 * params["dense"]["kernel"])
    assert_close_trees(updates["dense"]["bias"], plain["dense"]["bias"])


@pytest.mark.parametrize("shape", [(1,), (4, 3), (4,)])
@pytest.mark.parametrize("inner", [optax.sgd(0.1), optax.sgd(0.1, momentum=0.9), optax.adam(0.1)])
def test_gradients_of_another_shape_never_reach_the_wrapped_optimizer(shape, inner):
    params = {"layer": {"w": jnp.ones(3)}}
    with pytest.raises(ValueError, match="layer/w"), jax.numpy_rank_promotion("allow"):
        updated(optim.with_decoupled_decay(inner, 0.1, mask=None), {"layer": {"w": jnp.ones(shape)}}, params)


def test_decay_of_bfloat16_updates_is_right_to_rounding():  # OneTrainer#996, ao#1124
    w = jnp.ones(3, jnp.bfloat16)
    optimizer = optim.with_decoupled_decay(optax.identity(), 1e-2, learning_rate=1e-3)
    np.testing.assert_allclose(updated(optimizer, jnp.zeros_like(w), w).astype(jnp.float32), -1e-5, rtol=4e-3)


def test_a_cautious_decay_has_a_mask_and_a_strength_per_leaf_like_any():
    strengths, elements = {"a": 0.5, "b": 0.1}, jnp.array([[True, False], [True, True]])
    optimizer = optim.with_decoupled_decay(
        optax.identity(), strengths, cautious=True, mask={"a": elements, "b": True}, learning_rate=0.1
    )
    params = {"a": jnp.ones((2, 2)), "b": -jnp.ones(2)}
    updates = updated(optimizer, jax.tree.map(jnp.zeros_like, params), params)
    np.testing.assert_allclose(updates["a"], [[-0.05, 0.0], [-0.05, -0.05]], rtol=1e-6)
    np.testing.assert_allclose(updates["b"], [0.01, 0.01], rtol=1e-6)


def test_frozen_leaves_are_not_decayed():  # Muon#54
    labels = {"dense": "trained", "head": "frozen"}
    decayed = optim.with_decoupled_decay(optax.sgd(0.1), 0.1)
    optimizer = optax.partition({"trained": decayed, "frozen": optax.set_to_zero()}, labels)
    updates = updated(optimizer, tree(seed=1), tree())
    np.testing.assert_array_equal(updates["head"][0], jnp.zeros((3, 2)))
    assert_close_trees(updates["dense"], updated(decayed, tree(seed=1)["dense"], tree()["dense"]))


def test_clipping_before_the_decay_leaves_the_decay_alone():
    w, g = jnp.array([1.0, 1.0]), jnp.array([3.0, 4.0])
    clipped = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.5))
    inside = updated(optim.with_decoupled_decay(clipped, 0.1), g, w)
    np.testing.assert_allclose(inside, [-0.4, -0.5], rtol=1e-5)
    coupled = optax.chain(optim.add_l2(1.0), clipped)
    np.testing.assert_allclose(updated(coupled, g, w), -0.5 * np.array([4.0, 5.0]) / np.sqrt(41.0), rtol=1e-5)


def test_weights_decay_towards_the_reference_and_stay_there():
    params, reference = tree(), tree(seed=9)
    zeros = [jax.tree.map(jnp.zeros_like, params)] * 5
    path = trajectory(optax.chain(optax.sgd(0.1), optim.decay_towards(reference, 0.3, mask=None)), params, zeros)
    expected = jax.tree.map(lambda w, origin: origin + 0.7**5 * (w - origin), params, reference)
    assert_close_trees(path[-1], expected)
    assert_close_trees(
        updated(optim.decay_towards(reference, 0.3), zeros[0], reference), jax.tree.map(jnp.zeros_like, reference)
    )


def test_towards_zero_it_is_decoupled_decay():
    zeros = jax.tree.map(jnp.zeros_like, tree())
    rate = optax.linear_schedule(0.2, 0.0, 4)
    towards = optax.chain(optax.sgd(rate), optim.decay_towards(zeros, 0.3, learning_rate=rate))
    decayed = optim.with_decoupled_decay(optax.sgd(rate), 0.3, learning_rate=rate)
    gradients = [tree(seed=seed) for seed in range(1, 4)]
    assert_close_trees(*(trajectory(optimizer, tree(), gradients)[-1] for optimizer in (towards, decayed)))


def test_with_plain_descent_it_is_the_l2_sp_penalty():
    params, reference, gradients = tree(), tree(seed=9), tree(seed=1)
    coupled = jax.tree.map(lambda w, origin, g: -0.1 * (g + 0.3 * (w - origin)), params, reference, gradients)
    optimizer = optax.chain(optax.sgd(0.1), optim.decay_towards(reference, 0.3, learning_rate=0.1, mask=None))
    assert_close_trees(updated(optimizer, gradients, params), coupled)


@pytest.mark.parametrize(
    "reference", [{"dense": jnp.ones(3)}, {"dense": {"kernel": jnp.ones((3, 4)), "bias": jnp.ones(3)}, "head": []}]
)
def test_a_reference_of_another_structure_raises(reference):
    with pytest.raises(ValueError, match="decay_towards: reference must have the structure of params; only in"):
        optim.decay_towards(reference, 0.1).init(tree())


def test_a_reference_of_another_shape_raises_with_the_path():
    reference = tree()
    reference["dense"]["bias"] = jnp.ones((1,))
    with pytest.raises(ValueError, match=r"reference must have the shapes of params; at dense/bias it has \(1,\)"):
        optim.decay_towards(reference, 0.1).init(tree())


def test_the_reference_is_whole_also_where_optax_hides_part_of_the_params():
    params, reference, gradients = tree(), tree(seed=9), tree(seed=1)
    alone = updated(optim.decay_towards(reference, 0.3), gradients, params)
    towards, only_dense = optim.decay_towards(reference, 0.3), {"dense": True, "head": False}
    masked = updated(optax.masked(towards, only_dense), gradients, params)
    labels = {"dense": {"kernel": "pulled", "bias": "free"}, "head": "free"}
    parts = updated(optax.partition({"pulled": towards, "free": optax.sgd(0.1)}, labels), gradients, params)
    for updates in (masked, parts):
        assert_close_trees(updates["dense"]["kernel"], alone["dense"]["kernel"])
    assert_close_trees(masked["head"], gradients["head"])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("scale", [30.0, 300.0])
def test_a_share_of_one_reaches_the_reference_in_16_bits(dtype, scale):
    reference, w = (jnp.asarray(START * factor, dtype) for factor in (0.033, scale))
    updates = updated(optim.decay_towards(reference, 1.0), jnp.zeros_like(w), w)
    np.testing.assert_array_equal(applied(updates, w), reference)


@pytest.mark.parametrize("decay", [1, 1.0, 100, np.float32(1.5), jnp.float32(2.0), {"kernel": 0.1, "bias": 1.0}])
def test_a_whole_share_is_refused_and_both_forms_are_shown(decay):
    message = (
        r"^with_decoupled_decay: weight_decay must be below 1 without a learning_rate, as it is the share of "
        r"each weight that a step removes; got .*\. "
        r"Write with_decoupled_decay\(inner, .*, learning_rate=rate\) for torch's form, .*"
        r"or with_decoupled_decay\(inner, share\) for the paper's$"
    )
    with pytest.raises(ValueError, match=message):
        optim.with_decoupled_decay(optax.sgd(0.1), decay)
    optim.with_decoupled_decay(optax.sgd(0.1), decay, learning_rate=1e-3)
    with pytest.raises(ValueError, match=r"learning_rate \* weight_decay must be below 1, .*; got 1.0 \* "):
        optim.with_decoupled_decay(optax.sgd(0.1), decay, learning_rate=1.0)


def test_a_whole_share_that_is_not_known_gives_nan():
    for make in (
        lambda share: optim.with_decoupled_decay(optax.identity(), share),
        lambda share: optim.with_decoupled_decay(optax.identity(), lambda count: share),
        lambda share: optim.with_decoupled_decay(optax.identity(), 2.0, learning_rate=share / 2.0),
        lambda share: optim.with_decoupled_decay(optax.identity(), share / 0.5, learning_rate=lambda count: 0.5),
    ):
        step = jax.jit(lambda share, make=make: updated(make(share), jnp.zeros(2), jnp.ones(2)))
        np.testing.assert_allclose(step(0.75), -0.75)
        assert jnp.isnan(step(1.0)).all()


# Decay corrected for the schedule of the learning rate.


def test_with_the_peak_the_decay_falls_along_with_the_rate():
    schedule = optax.linear_schedule(0.1, 0.0, 4)
    optimizer = optim.with_decoupled_decay(optax.sgd(schedule), 0.5, learning_rate=schedule, peak_learning_rate=0.1)
    w, state = jnp.array([2.0]), optimizer.init(jnp.array([2.0]))
    for count in range(5):
        updates, state = optimizer.update(jnp.zeros(1), state, w)
        rate = 0.1 * (1 - count / 4)
        np.testing.assert_allclose(updates, [-2.0 * 0.5 * rate * rate / 0.1], rtol=1e-5, atol=1e-9)


def test_the_corrected_decay_is_that_of_the_papers_algorithm():
    # AdamC: x <- x - rate_t * (m_hat / (sqrt(v_hat) + eps) + rate_t / rate_max * decay * x).
    rates, gradients = [0.05, 0.1, 0.04], np.random.default_rng(0).normal(size=(3, 4))
    schedule = lambda count: jnp.asarray(rates, jnp.float32)[count]  # noqa: E731
    with jax.numpy_dtype_promotion("standard"):
        optimizer = optim.with_decoupled_decay(
            optax.adam(schedule), 0.3, learning_rate=schedule, peak_learning_rate=0.1
        )
        path = trajectory(optimizer, jnp.ones(4), jnp.asarray(gradients, jnp.float32))
    x, m, v = np.ones(4), np.zeros(4), np.zeros(4)
    for t, (rate, g) in enumerate(zip(rates, gradients, strict=True), 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x - rate * (m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8) + rate / 0.1 * 0.3 * x)
        np.testing.assert_allclose(path[t - 1], x, rtol=1e-5)


def test_at_the_peak_the_correction_is_none():
    options = {"learning_rate": 0.1, "mask": None}
    plain = optim.with_decoupled_decay(optax.sgd(0.1), 0.3, **options)
    corrected = optim.with_decoupled_decay(optax.sgd(0.1), 0.3, **options, peak_learning_rate=0.1)
    assert_close_trees(updated(corrected, tree(seed=1), tree()), updated(plain, tree(seed=1), tree()))


def test_a_peak_must_have_its_rate_and_be_above_zero():
    with pytest.raises(ValueError, match=r"^with_decoupled_decay: peak_learning_rate must come with the learning_rate"):
        optim.with_decoupled_decay(optax.sgd(0.1), 0.3, peak_learning_rate=0.1)
    with pytest.raises(
        ValueError, match=r"^with_decoupled_decay: peak_learning_rate must be in \(0, inf\)|finite and above"
    ):
        optim.with_decoupled_decay(optax.sgd(0.1), 0.3, learning_rate=0.1, peak_learning_rate=0.0)
    w = jnp.ones(2)
    corrected = jax.jit(
        lambda peak: updated(
            optim.with_decoupled_decay(optax.sgd(0.1), 0.3, learning_rate=0.1, peak_learning_rate=peak), w, w
        )
    )
    assert jnp.isnan(corrected(-1.0)).all()
