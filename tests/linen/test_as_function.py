"""A module and its variables as a function: what `module.apply` gives, with streams made from the key."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

import jreg.linen
from jreg import random, train

X = jax.random.normal(jax.random.key(5), (32, 4))
KEY = jax.random.key(7)


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.relu(jreg.linen.BatchNorm(use_running_average=not train)(nn.Dense(16)(x)))
        return nn.Dense(1)(jreg.linen.Dropout(0.5, deterministic=not train)(x))


MODULE = Block()
VARIABLES = MODULE.init(jax.random.key(0), X, train=False)


def test_it_is_apply_with_streams_of_the_key():
    params, model_state, apply = jreg.linen.as_function(MODULE, VARIABLES)
    outputs, after = jax.jit(lambda *arrays: apply(*arrays, train=True))(params, model_state, KEY, X)
    (stream,) = random.split(KEY, 1)
    expected, changed = MODULE.apply(VARIABLES, X, train=True, rngs={"dropout": stream}, mutable=["batch_stats"])
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), after, dict(changed))


def test_without_a_key_nothing_changes():
    params, model_state, apply = jreg.linen.as_function(MODULE, VARIABLES)
    outputs, after = apply(params, model_state, None, X, train=False)
    np.testing.assert_array_equal(outputs, MODULE.apply(VARIABLES, X, train=False))
    jax.tree.map(np.testing.assert_array_equal, after, model_state)


def test_fit_trains_it():
    target = X[:, :1]
    params, model_state, apply = jreg.linen.as_function(MODULE, VARIABLES)

    def loss_fn(params, model_state, key, batch, hyper):
        outputs, model_state = apply(params, model_state, key, batch[0], train=True)
        return jnp.mean((outputs - batch[1]) ** 2), (model_state, {})

    def metric_fn(params, model_state, batch, hyper):
        return {"loss": jnp.mean((apply(params, model_state, None, batch[0], train=False)[0] - batch[1]) ** 2)}

    step, evaluate = train.make_step(loss_fn, optax.sgd(0.05)), train.make_eval(metric_fn)
    state = train.init_state(params, optax.sgd(0.05), model_state)
    result = train.fit(step, evaluate, state, KEY, (X, target), (X, target), None, batch_size=8, epochs=20)
    assert result.best_value < 0.5 * result.valid_history["loss"][0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((Block, VARIABLES), TypeError, "as_function: module must be a linen module; got"),
        ((MODULE, 3), TypeError, "as_function: variables must be"),
        ((MODULE, {"batch_stats": {}}), ValueError, r'as_function: variables must hold "params"; got'),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        jreg.linen.as_function(*arguments)
