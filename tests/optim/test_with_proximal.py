"""Proximal steps in the optimizer's own metric: closed forms of each metric, groups by their optimality conditions."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim
from jreg.optim._metric import metric
from jreg.optim._thresholds import block_soft, scaled_block_soft
from tests.optim.table import applied, assert_close_trees, tree, updated

LR = 1e-2
STEPS = 5


@pytest.fixture(autouse=True)
def _standard_promotion():
    """Some optimizers of optax rely on implicit promotion."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def adam_like(b2, eps, nu=lambda state: state.nu):
    return lambda states: LR / (np.sqrt(nu(states[0]) / (1 - b2**STEPS)) + eps)


def moment(decay):
    """What a unit gradient has added up to after some steps."""
    return (1 - decay**STEPS) / (1 - decay)


# The metric of the fifth step, from the papers' formulas and the moments that optax stores.
METRICS = {
    "sgd": (optax.sgd(LR), lambda states: LR),
    "momentum": (optax.sgd(LR, momentum=0.9), lambda states: LR * moment(0.9)),
    "nesterov": (optax.sgd(LR, momentum=0.9, nesterov=True), lambda states: LR * (1 + 0.9 * moment(0.9))),
    "adam": (optax.adam(LR), adam_like(0.999, 1e-8)),
    "adam, other betas": (optax.adam(LR, b1=0.5, b2=0.9, eps=0.1), adam_like(0.9, 0.1)),
    "adam, no momentum": (optax.adam(LR, b1=0.0), adam_like(0.999, 1e-8)),
    "adam, narrow moment": (optax.adam(LR, mu_dtype=jnp.bfloat16), adam_like(0.999, 1e-8)),
    "adamw": (optax.adamw(LR, weight_decay=0.3), adam_like(0.999, 1e-8)),
    "adam, scheduled": (optax.adam(optax.linear_schedule(0.0, 5 / 4 * LR, 5)), adam_like(0.999, 1e-8)),
    "adam, injected": (
        optax.inject_hyperparams(optax.adam)(LR),
        lambda states: adam_like(0.999, 1e-8)(states.inner_state),
    ),
    "adam, masked": (
        optax.chain(optax.clip_by_global_norm(100.0), optax.masked(optax.adam(LR), optim.kernels)),
        lambda states: adam_like(0.999, 1e-8)(states[1].inner_state),
    ),
    "nadam": (
        optax.nadam(LR),
        lambda states: (
            (0.9 * (1 - 0.9**STEPS) / (1 - 0.9 ** (STEPS + 1)) + 0.1 / (1 - 0.9**STEPS))
            * adam_like(0.999, 1e-8)(states)
        ),
    ),
    "adamax": (optax.adamax(LR), lambda states: LR / states[0].nu),
    "amsgrad": (optax.amsgrad(LR), lambda states: LR / (np.sqrt(states[0].nu_max) + 1e-8)),
    "adabelief": (optax.adabelief(LR), adam_like(0.999, 1e-16)),
    "rmsprop": (optax.rmsprop(LR), lambda states: LR / np.sqrt(states[0].nu + 1e-8)),
    "rmsprop, torch's": (optax.rmsprop(LR, eps_in_sqrt=False), lambda states: LR / (np.sqrt(states[0].nu) + 1e-8)),
    "rmsprop, bias corrected": (
        optax.rmsprop(LR, bias_correction=True),
        lambda states: LR / np.sqrt(states[0].nu / (1 - 0.9**STEPS) + 1e-8),
    ),
    "rmsprop, centred": (
        optax.rmsprop(LR, centered=True),
        lambda states: LR / np.sqrt(states[0].nu - states[0].mu ** 2 + 1e-8),
    ),
    "rmsprop, momentum": (
        optax.rmsprop(LR, momentum=0.5),
        lambda states: LR / np.sqrt(states[0].nu + 1e-8) * moment(0.5),
    ),
    "adagrad": (optax.adagrad(LR), lambda states: LR / np.sqrt(states[0].sum_of_squares + 1e-7)),
    "lion": (optax.lion(LR, weight_decay=0.3), lambda states: LR / np.abs(states[0].mu)),
}


@pytest.mark.sampled(8)
@pytest.mark.parametrize("name", METRICS)
def test_the_metric_is_that_of_the_formula(name):
    optimizer, expected = METRICS[name]
    rng = np.random.default_rng(0)
    w = jnp.asarray(rng.normal(size=(4, 3)), jnp.float32)
    after = optimizer.init(w)
    for _ in range(STEPS):
        gradient, before = jnp.asarray(rng.normal(size=(4, 3)), jnp.float32), after
        _, after = optimizer.update(gradient, before, w)
    found = metric(optimizer.update, before, after, gradient, w, jnp.int32(STEPS - 1))
    states = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), after)
    rtol = 1e-2 if "narrow" in name else 2e-5
    np.testing.assert_allclose(found, np.broadcast_to(expected(states), (4, 3)), rtol=rtol)


@pytest.mark.parametrize("make", [optax.adam, optax.rmsprop, optax.adagrad, partial(optax.lion, weight_decay=0.0)])
def test_the_metric_is_finite_where_there_never_was_a_gradient(make):
    w = jnp.ones(3)
    np.testing.assert_array_equal(updated(optim.with_l1(make(LR), 0.0), jnp.zeros(3), w), jnp.zeros(3))
    # Without a gradient an adaptive optimizer moves far per unit of it; adagrad's sum of squares starts from 0.1.
    reached = applied(updated(optim.with_l1(make(LR), 0.5), jnp.zeros(3), w), w)
    np.testing.assert_allclose(reached, 1.0 - LR * 0.5 / np.sqrt(0.1) if make is optax.adagrad else 0.0, rtol=1e-6)


def test_each_leaf_has_the_metric_of_its_own_optimizer():
    labels = {"dense": {"kernel": "adam", "bias": "sgd"}, "head": ["lion", None]}
    makers = {"adam": optax.adam(0.1), "sgd": optax.sgd(0.1), "lion": optax.lion(0.1)}
    gradients, params = tree(seed=1), tree()
    updates = updated(optim.with_l1(optax.partition(makers, labels), 0.05, mask=None), gradients, params)
    for name, pick in {
        "adam": lambda t: t["dense"]["kernel"],
        "sgd": lambda t: t["dense"]["bias"],
        "lion": lambda t: t["head"][0],
    }.items():
        alone = updated(optim.with_l1(makers[name], 0.05), pick(gradients), pick(params))
        np.testing.assert_allclose(pick(updates), alone, rtol=1e-6)


def test_around_plain_descent_it_is_the_step_after_it():
    gradients, params = tree(seed=1), tree()
    sgd = optax.sgd(0.1)
    pairs = (
        (optim.with_l1(sgd, 0.3), optim.prox_l1(0.3, 0.1)),
        (optim.with_elastic_net(sgd, 0.3, 2.0), optim.prox_elastic_net(0.3, 2.0, 0.1)),
        (optim.with_group_lasso(sgd, 0.3, axis=0), optim.prox_group_lasso(0.3, 0.1, axis=0)),
        (optim.with_proximal(sgd, optim.soft_threshold, 0.3), optim.prox_l1(0.3, 0.1)),
    )
    for around, after in pairs:
        assert_close_trees(updated(around, gradients, params), updated(optax.chain(sgd, after), gradients, params))


def test_the_decay_of_the_inner_optimizer_stays_what_it_is():
    gradients, params = tree(seed=1), tree()
    inner = optax.adamw(0.1, weight_decay=0.3)
    assert_close_trees(updated(optim.with_l1(inner, 0.0), gradients, params), updated(inner, gradients, params))
    updates, expected = updated(optim.with_l1(inner, 0.2), gradients, params), updated(inner, gradients, params)
    reached, g = params["dense"]["kernel"] + expected["dense"]["kernel"], gradients["dense"]["kernel"]
    threshold = 0.1 * 0.2 / (jnp.abs(g) + 1e-8)  # In the first step nu_hat is the square of the gradient.
    expected = optim.soft_threshold(reached, threshold) - params["dense"]["kernel"]
    np.testing.assert_allclose(updates["dense"]["kernel"], expected, rtol=1e-5, atol=1e-6)


def matrices(*shape):
    """Matrices whose state holds something other than a diagonal."""
    return {"kernel": jnp.ones(shape)}


REFUSED = {
    "muon": (optax.contrib.muon(0.1), "MuonState"),
    "lbfgs": (optax.scale_by_lbfgs(), "ScaleByLBFGSState"),
    "adafactor": (optax.adafactor(0.1), "FactoredState"),
    "sm3": (optax.sm3(0.1), "ScaleBySM3State"),
    "signum": (optax.signum(0.1), "EmaState"),
    "novograd": (optax.novograd(0.1), "ScaleByNovogradState"),
    "batches": (
        optax.MultiSteps(optax.adam(0.1), 2),
        "MultiStepsState; put with_l1 inside that wrapper",
    ),
    "average": (
        optax.chain(optax.adam(0.1), optim.average_params(0.9)),
        "AverageState; put with_l1 inside that wrapper",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_diagonal_metric_is_refused_by_name(name):
    inner, said = REFUSED[name]
    with pytest.raises(ValueError, match=r"^with_l1: inner must scale each weight's step by itself") as error:
        optim.with_l1(inner, 0.1).init(matrices(4, 3))
    assert said in str(error.value)


def test_what_is_not_selected_may_have_any_optimizer():
    params = {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}
    muon = optax.contrib.muon(0.1)
    with pytest.raises(ValueError, match="MuonState"):
        optim.with_l1(muon, 0.1).init(params)
    optimizer = optim.with_l1(muon, 0.1, mask=optim.matching("bias"))
    gradients = {"kernel": jnp.full((4, 3), 0.2), "bias": jnp.full(3, 0.2)}
    updates, expected = updated(optimizer, gradients, params), updated(muon, gradients, params)
    np.testing.assert_allclose(updates["kernel"], expected["kernel"], rtol=1e-6)
    np.testing.assert_allclose(updates["bias"], expected["bias"] * (1 + 0.1 / 0.2), rtol=1e-5)


# Groups.


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_groups_meet_the_conditions_of_their_minimum(spread):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 300))
    limits = np.exp(spread * rng.normal(size=(6, 300)) + 2 * rng.normal(size=300))
    with jax.enable_x64(True):
        v = np.asarray(scaled_block_soft(jnp.asarray(x), jnp.asarray(limits), (0,)))
    norms = np.linalg.norm(v, axis=0)
    kept = norms > 0
    assert 0 < kept.sum() < 300
    np.testing.assert_array_equal((v == 0).all(0), (v == 0).any(0))
    # (v - x) / limits + v / |v| = 0 in a group that stays, and |x / limits| <= 1 in one that vanishes.
    np.testing.assert_allclose((x - v)[:, kept], (limits * v / np.where(kept, norms, 1))[:, kept], atol=1e-9)
    assert (np.linalg.norm(x / limits, axis=0) <= 1).tolist() == (~kept).tolist()


def test_groups_with_one_threshold_are_in_closed_form():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 40)), jnp.float32)
    limits = jnp.broadcast_to(jnp.linspace(0.0, 4.0, 40), (5, 40))
    np.testing.assert_allclose(scaled_block_soft(x, limits, (0,)), block_soft(x, limits[:1], (0,)), atol=1e-6)


@pytest.mark.parametrize("free", [0, 1, 3])
def test_thresholds_of_zero_leave_their_part_of_a_group(free):
    x, limits = jnp.array([3.0, -4.0, 0.0])[:, None], jnp.where(jnp.arange(3) < free, 0.0, 1.0)[:, None]
    v = np.asarray(scaled_block_soft(x, limits, (0,)), np.float64)
    np.testing.assert_allclose(x - v, limits * v / np.linalg.norm(v), atol=1e-6)


def test_a_group_of_zeros_and_an_empty_group_stay():
    assert (scaled_block_soft(jnp.zeros((3, 2)), jnp.zeros((3, 2)), (0,)) == 0).all()
    assert scaled_block_soft(jnp.zeros((0, 2)), jnp.zeros((0, 2)), (0,)).shape == (0, 2)
    assert jnp.isnan(scaled_block_soft(jnp.ones((3, 2)), jnp.full((3, 2), jnp.nan), (0,))).all()


def test_complex_weights_shrink_by_their_modulus():
    w = jnp.array([0.3 + 0.4j, 3.0 - 4.0j], jnp.complex64)
    for optimizer in (optim.with_l1(optax.sgd(0.1), 10.0), optim.with_group_lasso(optax.sgd(0.1), 10.0, axis=())):
        reached = applied(updated(optimizer, jnp.zeros_like(w), w), w)
        np.testing.assert_allclose(reached, [0.0, 2.4 - 3.2j], atol=1e-6)


def test_axes_are_checked_where_the_leaves_are_known():
    message = r"^with_group_lasso: axis must name axes of a 1-dimensional array; got 1 at dense/bias$"
    with pytest.raises(ValueError, match=message):
        optim.with_group_lasso(optax.adam(0.1), 0.1, axis=1, mask=None).init(tree())
