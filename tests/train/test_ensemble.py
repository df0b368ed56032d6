"""Ensembles: the mean of the lanes' predictions, of all or of the best, and no trace of a lane that diverged."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import train

X = jnp.linspace(-1.0, 1.0, 24).reshape(8, 3)
Y = X @ jnp.array([[1.0, -1.0], [0.5, 0.0], [0.0, 2.0]])


def loss_fn(params, model_state, key, batch, rate):
    return jnp.mean((batch[0] @ params - batch[1]) ** 2), (model_state + 1.0, {})


def metrics(params, model_state, batch, rate):
    return {"loss": jnp.mean((batch[0] @ params - batch[1]) ** 2)}


STEP, EVALUATE = train.make_step(loss_fn, optax.sgd), train.make_eval(metrics)


def fit_one(key, rate):
    state = train.init_state(jax.random.normal(key, (3, 2)), optax.sgd(rate), jnp.zeros(()))
    return train.fit(STEP, EVALUATE, state, key, (X, Y), (X, Y), rate, batch_size=4, epochs=2)


def predict(params, model_state, x):
    return {"softmax": jax.nn.softmax(x @ params), "count": model_state}


KEYS = jax.random.split(jax.random.key(0), 3)
RESULT = train.sweep(fit_one, KEYS, jnp.array([0.01, 0.3, 3e38]))
"""At the last rate no value is finite."""


def of_lanes(lanes):
    """The mean over some (setting, seed), one by one."""
    found = []
    for setting, seed in lanes:
        state = jax.tree.map(lambda leaf, at=(setting, seed): leaf[at], RESULT.best)
        found.append(predict(state.params, state.model_state, X))
    return jax.tree.map(lambda *leaves: np.mean(leaves, axis=0), *found)


def assert_close(first, second):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), first, second)


TRAINED = [(setting, seed) for setting in range(2) for seed in range(3)]


def test_lanes_that_diverged_do_not_count():
    assert not jnp.isfinite(RESULT.best_value[2]).any()
    expected = of_lanes(TRAINED)
    assert_close(train.ensemble(predict, RESULT, X), expected)
    assert_close(train.ensemble(predict, RESULT, X, top=8), expected)
    assert_close(jax.jit(lambda result: train.ensemble(predict, result, X, top=8))(RESULT), expected)


@pytest.mark.parametrize("top", [1, 4])
def test_the_top_lanes_are_those_of_the_best_values(top):
    ranked = sorted(TRAINED, key=lambda lane: float(RESULT.best_value[lane]))
    assert_close(train.ensemble(predict, RESULT, X, top=top), of_lanes(ranked[:top]))
    best_last = train.ensemble(predict, RESULT, X, top=top, mode="max")
    assert_close(best_last, of_lanes(ranked[::-1][:top]))


def test_states_from_anywhere_count_alike_unless_they_have_values():
    trained = jax.tree.map(lambda leaf: leaf[:2].reshape(6, *leaf.shape[2:]), RESULT.best)
    assert_close(train.ensemble(predict, trained, X), of_lanes(TRAINED))
    values = np.array([3.0, 1.0, 2.0, 9.0, 8.0, np.nan])
    assert_close(train.ensemble(predict, trained, X, top=2, values=values), of_lanes([TRAINED[1], TRAINED[2]]))


def test_16_bit_predictions_are_averaged_in_float32():
    states = train.TrainState(jnp.array([1.0, 2**-7, 2**-7, 2**-7]), (), (), jnp.zeros(4, jnp.int32))
    found = train.ensemble(lambda w, _, x: (w * x).astype(jnp.bfloat16), states, jnp.ones(2))
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(found.astype(jnp.float32), (1.0 + 3 * 2**-7) / 4, rtol=2**-8)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"states": RESULT.best}, ValueError, "values must be given to choose the top lanes"),
        ({"top": 10}, ValueError, "top must be at most the 9 lanes; got 10"),
        ({"top": 0}, ValueError, "top must be at least 1; got 0"),
        ({"values": jnp.ones(9)}, ValueError, r"values must have the shape of the lanes, \(3, 3\); got \(9,\)"),
        ({"values": "best"}, TypeError, "values must be an array of real numbers; got 'best'"),
        ({"states": [RESULT]}, TypeError, "states must be a TrainState, from init_state, or a FitResult of many lanes"),
        ({"mode": "up"}, ValueError, "mode must be one of 'min', 'max'"),
        ({"predict": lambda w, _, x: jnp.argmax(x @ w, -1)}, TypeError, "predict must return floats"),
        ({"predict": None}, TypeError, "predict must be a function"),
    ],
)
def test_bad_input_is_named(change, error, message):
    given = {"predict": predict, "states": RESULT, "x": X, "top": 2} | change
    with pytest.raises(error, match=f"ensemble: {message}"):
        train.ensemble(given.pop("predict"), given.pop("states"), given.pop("x"), **given)
