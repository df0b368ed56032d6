"""The functions that users write: each mistake in what they take or return gets one sentence with the right form."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim, train

KEY = jax.random.key(0)
X = jnp.ones((4, 3))
SGD = optax.sgd(0.1)
END = r"(\n|$)"
"""JAX adds lines of its own to what is raised in a traced function."""


def mean_square(params, batch):
    return jnp.mean((batch @ params) ** 2)


def step(loss_fn, batch=X, **options):
    """One step, as make_step makes it."""
    return train.make_step(loss_fn, SGD, **options)(train.init_state(jnp.ones(3), SGD), KEY, batch, None)


def fitted(loss_fn, metric_fn=lambda params, model_state, batch, hyper: {"loss": mean_square(params, batch)}):
    state = train.init_state(jnp.ones(3), SGD)
    made = train.make_step(loss_fn, SGD), train.make_eval(metric_fn)
    return train.fit(*made, state, KEY, X, X, None, batch_size=2, epochs=2)


def swept(loss_fn):
    return train.sweep(lambda key, hyper: fitted(loss_fn).best_value, jax.random.split(KEY, 2), jnp.ones(2))


WRONG_LOSSES = [
    (
        lambda p, s, k, b, h: mean_square(p, b),
        TypeError,
        r"loss_fn must return \(loss, \(model_state, metrics\)\), .*; got float32\[\]$",
    ),
    (
        lambda p, s, k, b, h: (mean_square(p, b), {}),
        TypeError,
        r"\(loss, \(model_state, {}\)\); got \(float32\[\], a dict\)$",
    ),
    (lambda p, s, k, b, h: (mean_square(p, b), s), TypeError, r"loss_fn must return .*; got \(float32\[\], \(\)\)$"),
    (lambda p, s, k, b, h: [mean_square(p, b), (s, {})], TypeError, r"loss_fn must return .*; got a list$"),
    (lambda p, s, k, b, h: None, TypeError, r"loss_fn must return .*; got None$"),
    (
        lambda p, s, k, b, h: (mean_square(p, b), ({}, s)),
        TypeError,
        r"loss_fn must return metrics as a dict of scalars, .*; got \(\)$",
    ),
    (
        lambda p, s, k, b, h: (b @ p, (s, {})),
        ValueError,
        r"loss_fn must return a scalar loss, such as a mean; got shape \(\d,\)$",
    ),
    (lambda p, s, k, b, h: (1, (s, {})), TypeError, r"loss_fn must return a loss of floats; got int32\[\]$"),
    (
        lambda p, s, k, b, h: (jax.lax.complex(mean_square(p, b), 0.0), (s, {})),
        TypeError,
        r"a loss of floats; got complex64\[\]$",
    ),
    (
        lambda p, s, k, b, h: (mean_square(p, b), (s, {"error": b @ p})),
        ValueError,
        r"loss_fn must return metrics that are scalars, such as means; 'error' has shape \(\d,\)$",
    ),
    (
        lambda p, s, k, b, h: (mean_square(p, b), (s, {"name": "mse"})),
        TypeError,
        r"loss_fn must return metrics that are real numbers; 'name' is 'mse'$",
    ),
    (
        lambda p, s, k, b, h: (mean_square(p, b), (s, {"errors": [1.0]})),
        TypeError,
        r"loss_fn must return metrics that are real numbers; 'errors' is a list$",
    ),
]
CALLS = {
    "step": step,
    "jitted": lambda loss_fn: jax.jit(lambda: step(loss_fn))(),
    "accumulate": lambda loss_fn: step(loss_fn, accumulate=2),
    "compute_dtype": lambda loss_fn: step(loss_fn, compute_dtype=jnp.float32),
    "sam": lambda loss_fn: step(loss_fn, wrap_gradient=lambda grad, hyper: optim.sam_gradient(grad, 0.1)),
    "fit": fitted,
    "sweep": swept,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(("loss_fn", "error", "message"), WRONG_LOSSES, ids=[row[2][-40:] for row in WRONG_LOSSES])
def test_a_loss_of_another_form_is_named(call, loss_fn, error, message):
    with pytest.raises(error, match="^step: .*" + message.replace("$", END)):
        call(loss_fn)


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        (
            jnp.ones(()),
            TypeError,
            r'must return metrics as a dict of scalars, such as {"loss": loss}; got float32\[\]$',
        ),
        ((jnp.ones(()), {}), TypeError, r"as a dict of scalars, .*; got \(float32\[\], a dict\)$"),
        (None, TypeError, r"as a dict of scalars, .*; got None$"),
        ({"loss": jnp.ones(3)}, ValueError, r"metrics that are scalars, such as means; 'loss' has shape \(3,\)$"),
        ({"loss": 1.0, "rows": X}, ValueError, r"metrics that are scalars, .*; 'rows' has shape \(4, 3\)$"),
        ({"loss": {"a": 1.0}}, TypeError, r"metrics that are real numbers; 'loss' is a dict$"),
    ],
)
def test_metrics_of_another_form_are_named(metrics, error, message):
    def good(params, model_state, key, batch, hyper):
        return mean_square(params, batch), (model_state, {})

    def metric_fn(params, model_state, batch, hyper):
        return metrics

    evaluate = train.make_eval(metric_fn)
    for call in (lambda: evaluate(train.init_state(X, SGD), X, None), lambda: fitted(good, metric_fn)):
        with pytest.raises(error, match="^evaluate: metric_fn .*" + message.replace("$", END)):
            call()


def test_scalars_of_every_kind_are_metrics():
    found = step(lambda p, s, k, b, h: (mean_square(p, b), (s, {"a": 1, "b": np.float32(2.0), "c": True})))[1]
    assert {name: float(value) for name, value in found.items()} == {"loss": 9.0, "a": 1.0, "b": 2.0, "c": 1.0}


def test_an_optimizer_and_the_function_that_makes_it_are_told_apart():
    def make_optimizer(hyper):
        return optax.sgd(hyper["rate"])

    def loss_fn(params, model_state, key, batch, hyper):
        return mean_square(params, batch), (model_state, {})

    for factory in (make_optimizer, optax.sgd):
        message = (
            r"^init_state: optimizer must be an optax transformation; got <function .*>. Call it first, as in optax"
        )
        with pytest.raises(TypeError, match=message):
            train.init_state(X, factory)
    with pytest.raises(TypeError, match=r"^init_state: optimizer must be an optax transformation; got None$"):
        train.init_state(X, None)
    with pytest.raises(
        TypeError, match=r"^make_step: optimizer must be a function of hyper, or an optax transf.*; got 0.1$"
    ):
        train.make_step(loss_fn, 0.1)
    state = train.init_state(jnp.ones(3), SGD)
    with pytest.raises(
        TypeError, match=r"^make_step: optimizer must be or make an optax transformation; it makes None$"
    ):
        train.make_step(loss_fn, lambda hyper: None)(state, KEY, X, None)
    for wrap in (optim.with_float32_copy, lambda inner: optim.with_decoupled_decay(inner, 0.1)):
        with pytest.raises(TypeError, match=r"^with_\w+: inner must be an optax transformation; got <function sgd"):
            wrap(optax.sgd)


def test_functions_that_are_none_are_refused_where_the_step_is_made():
    with pytest.raises(TypeError, match=r"^make_step: loss_fn must be a function \(params, .* metrics\)\); got None$"):
        train.make_step(None, SGD)
    with pytest.raises(TypeError, match=r"^make_eval: metric_fn must be a function \(params, .* -> metrics; got {}$"):
        train.make_eval({})


def test_lists_where_arrays_belong_are_named():
    def loss_fn(params, model_state, key, batch, hyper):
        return mean_square(params, batch), (model_state, {})

    step, evaluate = train.make_step(loss_fn, SGD), train.make_eval(lambda *args: {"loss": 0.0})
    state = train.init_state(jnp.ones(3), SGD)
    with pytest.raises(
        TypeError, match=r"^fit: train_data must hold arrays; at 0/0 it has 1.0. A list is a tree of its"
    ):
        train.fit(step, evaluate, state, KEY, [[1.0, 2.0], [3.0, 4.0]], X, None, batch_size=1, epochs=1)
    with pytest.raises(
        TypeError, match=r"^step: params must hold arrays of floats; at 0 it has 1.0. Make it an array$"
    ):
        step(train.init_state([1.0], SGD), KEY, X, None)


def test_an_accumulating_optimizer_of_optax_is_a_transformation():
    optimizer = optax.MultiSteps(optax.sgd(0.1), every_k_schedule=2)
    step = train.make_step(lambda p, s, k, b, h: (mean_square(p, b), (s, {})), optimizer)
    with jax.numpy_dtype_promotion("standard"):
        state, _ = step(train.init_state(jnp.ones(3), optimizer), KEY, X, None)
    assert int(state.step) == 1
