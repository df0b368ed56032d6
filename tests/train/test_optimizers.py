"""Optimizers that take the loss, and the loss as a function: what they are given, and which of optax's train."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from jreg import noise, random, train

KEY = jax.random.key(7)
X = jax.random.normal(jax.random.key(0), (16, 4))
DATA = (X, X @ jax.random.normal(jax.random.key(1), (4, 2)) + 0.5)
PARAMS = {"kernel": jax.random.normal(jax.random.key(2), (4, 2)), "bias": jnp.full((1, 2), 0.1)}


def loss_fn(params, model_state, key, batch, rate):
    x, y = batch
    error = noise.dropout(key, x, rate) @ params["kernel"] + params["bias"] - y
    return jnp.mean(error**2), (model_state, {"error": jnp.mean(jnp.abs(error))})


def plain_loss(params):
    return loss_fn(params, (), KEY, DATA, 0.0)[0]


evaluate = train.make_eval(lambda params, model_state, batch, rate: {"loss": plain_loss(params)})


@pytest.fixture(autouse=True)
def _optax_promotes():
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def recorder():
    """A transformation that keeps what it is given beside what it computes from `value_fn`."""

    def init(params):
        return {"value": jnp.zeros(()), "again": jnp.zeros(()), "grad": params, "slope": params, "updates": params}

    def update(updates, state, params=None, *, value, grad, value_fn, **others):
        assert not others
        slope = jax.grad(value_fn)(params)
        seen = {"value": value, "again": value_fn(params), "grad": grad, "slope": slope, "updates": updates}
        return jax.tree.map(lambda leaf: -0.1 * leaf, updates), seen

    return optax.GradientTransformationExtraArgs(init, update)


def recorded(loss=loss_fn, batch=DATA, **options):
    step = jax.jit(train.make_step(loss, recorder(), **options))
    state, metrics = step(train.init_state(PARAMS, recorder(), jnp.zeros(())), KEY, batch, 0.5)
    return state.opt_state, metrics


def assert_close(got, expected, rtol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6), got, expected)


# What they are given.


def counting_loss(params, model_state, key, batch, rate):
    """Its model state counts the parts of a batch, and the loss depends on it; it also reports another loss."""
    loss, (_, metrics) = loss_fn(params, (), key, batch, rate)
    return loss * (1.0 + model_state), (model_state + 1.0, {**metrics, "loss": jnp.float32(-1.0)})


def weighted_loss(params, model_state, key, batch, rate):
    """The second part of a batch of four weighs nothing, and is NaN."""
    rows, weights = batch
    error = noise.dropout(key, rows[0], rate) @ params["kernel"] + params["bias"] - rows[1]
    weight = jnp.sum(weights)
    return jnp.sum(weights[:, None] * error**2) / weight, (model_state, {"weight": weight})


def test_value_fn_is_the_loss_of_the_step_with_its_noise_and_its_model_state():
    seen, metrics = recorded()
    assert seen["value"] == seen["again"] == metrics["loss"]
    assert_close(seen["slope"], seen["grad"])
    assert_close(seen["updates"], seen["grad"])


@pytest.mark.parametrize("options", [{"accumulate": 4}, {"compute_dtype": jnp.bfloat16}, {}], ids=str)
def test_value_fn_goes_the_way_of_the_gradient(options):
    seen, metrics = recorded(counting_loss, **options)
    np.testing.assert_allclose(seen["again"], seen["value"], rtol=1e-6)
    assert_close(seen["slope"], seen["grad"], rtol=1e-5 if "accumulate" in options else 1e-2)
    assert metrics["loss"] == -1.0 != seen["value"]


def test_value_fn_weighs_the_parts_of_a_batch():
    weights = jnp.ones(16).at[4:8].set(0.0).at[9].set(0.0)
    seen, _ = recorded(weighted_loss, (DATA, weights), accumulate=4)
    assert jnp.isfinite(seen["value"])
    np.testing.assert_allclose(seen["again"], seen["value"], rtol=1e-6)


def test_value_fn_draws_its_noise_where_keys_are_checked():
    with jax.debug_key_reuse(True):
        step = jax.jit(train.make_step(loss_fn, optax.lbfgs()))
        state, _ = step(train.init_state(PARAMS, optax.lbfgs()), random.fold_in(KEY, 1), DATA, 0.5)
    assert (state.params["kernel"] != PARAMS["kernel"]).any()


def test_legacy_keys_serve_too():
    step = jax.jit(train.make_step(loss_fn, recorder()))
    state, _ = step(train.init_state(PARAMS, recorder()), jax.random.PRNGKey(0), DATA, 0.5)
    assert state.opt_state["value"] == state.opt_state["again"]


@pytest.mark.parametrize(
    "optimizer", [optax.adam(1e-3), optax.GradientTransformation(*optax.adam(1e-3))], ids=("a", "b")
)
def test_an_optimizer_that_wants_none_of_it_costs_nothing(optimizer):
    def by_hand(state, key, batch, rate):
        (loss, (model_state, metrics)), grads = jax.value_and_grad(loss_fn, has_aux=True)(
            state.params, state.model_state, key, batch, rate
        )
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return train.TrainState(params, opt_state, model_state, state.step + 1), {"loss": loss, **metrics}

    state = train.init_state(PARAMS, optimizer)
    made, written = (
        jax.make_jaxpr(step)(state, KEY, DATA, 0.5) for step in (train.make_step(loss_fn, optimizer), by_hand)
    )
    assert [str(equation.primitive) for equation in made.eqns] == [str(one.primitive) for one in written.eqns]


# The loop that optax's documentation writes.


def test_a_line_search_takes_the_steps_of_a_loop_by_hand():
    optimizer = optax.lbfgs()
    step, state = jax.jit(train.make_step(loss_fn, optimizer)), train.init_state(PARAMS, optimizer)

    @jax.jit
    def by_hand(params, opt_state):
        value, grad = jax.value_and_grad(plain_loss)(params)
        updates, opt_state = optimizer.update(grad, opt_state, params, value=value, grad=grad, value_fn=plain_loss)
        return optax.apply_updates(params, updates), opt_state

    params, opt_state = PARAMS, optimizer.init(PARAMS)
    for key in jax.random.split(KEY, 5):
        state, _ = step(state, key, DATA, 0.0)
        params, opt_state = by_hand(params, opt_state)
        assert_close(state.params, params, rtol=1e-3)
    assert plain_loss(params) < 1e-4 * plain_loss(PARAMS)


def fit(optimizer, epochs=20, **options):
    state = train.init_state(PARAMS, optimizer)
    options = {"batch_size": 16, "epochs": epochs} | options
    return train.fit(train.make_step(loss_fn, optimizer), evaluate, state, KEY, DATA, DATA, 0.0, **options)


@pytest.mark.thorough
def test_a_fit_runs_a_line_search_and_a_polyak_step():
    assert fit(optax.lbfgs()).best_value < 1e-6
    assert fit(optax.polyak_sgd(), 200, batch_size=8).best_value < 1e-4
    assert fit(optax.lbfgs(), patience=2).stopped_epoch < 20


@pytest.mark.thorough
def test_a_run_does_too():
    optimizer = optax.lbfgs()
    state, given = train.init_state(PARAMS, optimizer), {"epochs": 10, "progress": False}
    step = train.make_step(loss_fn, optimizer)
    assert train.run(step, evaluate, state, KEY, [DATA], [DATA], 0.0, **given).best_value < 1e-6


@pytest.mark.thorough
def test_lanes_of_a_sweep_search_for_themselves():
    swept = train.sweep(lambda key, rate: fit(optax.lbfgs(), 4), KEY[None], jnp.arange(3.0), devices=jax.devices()[:1])
    single = jax.jit(lambda: fit(optax.lbfgs(), 4))()
    assert_close(swept.valid_history["loss"][2, 0], single.valid_history["loss"], rtol=1e-3)


@pytest.mark.thorough
def test_a_fit_validates_and_keeps_the_average_of_schedule_free():
    optimizer = contrib.schedule_free_adamw(0.1)

    def averaged(state):
        return state._replace(params=contrib.schedule_free_eval_params(state.opt_state, state.params))

    result = fit(optimizer, 30, validated=averaged)
    value = result.valid_history["loss"][-1]
    np.testing.assert_allclose(plain_loss(averaged(result.last).params), value, rtol=1e-5)
    assert value != plain_loss(result.last.params)
    np.testing.assert_allclose(plain_loss(result.best.params), result.best_value, rtol=1e-5)
    assert result.best_value < 0.5 * plain_loss(PARAMS)
    state, given = train.init_state(PARAMS, optimizer), {"epochs": 30, "progress": False, "validated": averaged}
    on_host = train.run(train.make_step(loss_fn, optimizer), evaluate, state, KEY, [DATA], [DATA], 0.0, **given)
    np.testing.assert_allclose(on_host.valid_history["loss"], result.valid_history["loss"], rtol=1e-3)


# Which of optax's train.


def named(*names, **options):
    return {name: partial(getattr(optax, name), **options) for name in names}


def of_contrib(*names, **options):
    return {f"contrib.{name}": partial(getattr(contrib, name), **options) for name in names}


SGD = optax.sgd(0.05)
TRAINS = {
    **named("adabelief", "adafactor", "adagrad", "adam", "adamax", "adamaxw", "adamw", "adan", learning_rate=0.05),
    **named("amsgrad", "fromage", "lamb", "lion", "novograd", "radam", learning_rate=0.05),
    **named("optimistic_adam_v2", "optimistic_gradient_descent", "rmsprop", "rprop", "sgd", learning_rate=0.05),
    **named("sign_sgd", "signum", "sm3", "yogi", learning_rate=0.05),
    **named("adadelta", "lars", learning_rate=1.0),
    **named("lbfgs", "polyak_sgd"),
    **named("noisy_sgd", learning_rate=0.05, key=KEY),
    "lbfgs, no line search": partial(optax.lbfgs, 0.05, linesearch=None),
    "scale_by_backtracking_linesearch": lambda: optax.chain(SGD, optax.scale_by_backtracking_linesearch(10)),
    "multi_transform": lambda: optax.multi_transform(
        {"one": optax.polyak_sgd(), "other": SGD}, {"kernel": "one", "bias": "other"}
    ),
    "inject_hyperparams": lambda: optax.inject_hyperparams(optax.polyak_sgd)(max_learning_rate=0.5),
    "MultiSteps": lambda: optax.MultiSteps(optax.chain(SGD, contrib.reduce_on_plateau()), 2),
    "apply_if_finite": lambda: optax.apply_if_finite(optax.lbfgs(), 1),
    **of_contrib("acprop", "ademamix", "adopt", "galore", "madgrad", "muon", learning_rate=0.05),
    **of_contrib("simplified_ademamix", learning_rate=0.001),
    **of_contrib("cocob", "dadapt_adamw", "dog", "dowg", "momo", "momo_adam", "prodigy"),
    **of_contrib("schedule_free_adamw", "schedule_free_sgd", learning_rate=0.05),
    "contrib.schedule_free": lambda: contrib.schedule_free(SGD, 0.05),
    "contrib.mechanize": lambda: contrib.mechanize(SGD),
    "contrib.reduce_on_plateau": lambda: optax.chain(SGD, contrib.reduce_on_plateau(patience=5)),
    "contrib.sam": lambda: contrib.sam(SGD, optax.sgd(0.01)),
    "contrib.split_real_and_imaginary": lambda: contrib.split_real_and_imaginary(SGD),
}
EXCEPTIONS = {
    "optimistic_adam": "it is deprecated for optimistic_adam_v2",
    "lookahead": "its params are a pair, of which it wants the gradient of one; jreg.optim.average_params averages",
    "contrib.dpsgd": "it wants a gradient per example",
    "contrib.sophia": "it wants the loss as obj_fn, which the line searches refuse beside value_fn",
}
PARTS = {
    "differentially_private_aggregate",
    "hutchinson_estimator_diag_hessian",
    "normalize",
    "schedule_free_eval_params",
}
"""Public functions of `optax.contrib` that are no optimizers, but parts of them."""


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", sorted(TRAINS))
def test_the_optimizers_of_optax_train(name):
    optimizer = TRAINS[name]()
    step, state = jax.jit(train.make_step(loss_fn, optimizer)), train.init_state(PARAMS, optimizer)
    for key in jax.random.split(KEY, 30):
        new, _ = step(state, key, DATA, 0.0)
        jax.tree.map(lambda a, b: (a.shape, a.dtype) == (b.shape, b.dtype) or pytest.fail(f"{a} after {b}"), new, state)
        state = new
    assert plain_loss(state.params) < plain_loss(PARAMS)


def test_every_optimizer_of_optax_has_a_row():
    def is_public_function(module, name):
        return inspect.isfunction(getattr(module, name)) and not name.startswith(("_", "scale_by"))

    aliases = {
        name
        for name in dir(optax)
        if is_public_function(optax, name) and "learning_rate" in inspect.signature(getattr(optax, name)).parameters
    }
    contributed = {f"contrib.{name}" for name in dir(contrib) if is_public_function(contrib, name)} - {
        f"contrib.{name}" for name in PARTS
    }
    assert aliases | contributed <= TRAINS.keys() | EXCEPTIONS.keys()
