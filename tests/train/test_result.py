"""A run that goes on equals one that was never cut, and a result tells what its best epoch was."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import optim, train
from tests.train.test_fit import (
    BATCH_SIZE,
    HYPER,
    KEY,
    NUM_STEPS,
    TRAIN,
    VALID,
    evaluate,
    loss_fn,
    make_optimizer,
    step,
)

STATE = train.init_state(jnp.zeros((3, 1)), make_optimizer(HYPER))
KEYS = jax.random.split(KEY, 3)


def go(state, epochs, key=KEY, **options):
    return train.fit(step, evaluate, state, key, TRAIN, VALID, HYPER, batch_size=BATCH_SIZE, epochs=epochs, **options)


def assert_same(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("transform", "keys"),
    [(lambda f: f, KEY), (jax.jit, KEY), (lambda f: jax.jit(jax.vmap(f)), KEYS)],
    ids=["eager", "jit", "vmap"],
)
@pytest.mark.parametrize("patience", [None, 1.0, 3.0])
def test_two_halves_are_the_whole(patience, transform, keys):

    def whole(key):
        return go(STATE, 8, key, patience=patience, min_delta=1e-3)

    def halves(key):
        return go(go(STATE, 3, key, patience=patience, min_delta=1e-3), 5, key, patience=patience, min_delta=1e-3)

    assert_same(transform(halves)(keys), transform(whole)(jax.random.clone(keys)))


@pytest.mark.thorough
def test_a_run_goes_on_across_programs_and_lanes_that_stopped_stay_stopped():
    mapped = jax.jit(jax.vmap(lambda key, patience: go(STATE, 8, key, patience=patience)))
    first = jax.jit(jax.vmap(lambda key, patience: go(STATE, 3, key, patience=patience)))
    then = jax.jit(jax.vmap(lambda result, key, patience: go(result, 5, key, patience=patience)))
    patience = jnp.array([1.0, 2.0, jnp.inf])
    whole = mapped(KEYS, patience)
    assert len(set(whole.stopped_epoch.tolist())) > 1
    assert_same(then(first(KEYS, patience), KEYS, patience), whole)


def test_what_changes_between_two_calls_applies_from_there_on():
    cold = go(go(STATE, 2), 2, jax.random.key(8))
    assert (cold.last.params != go(STATE, 4).last.params).any()
    np.testing.assert_array_equal(cold.valid_history["loss"][:2], go(STATE, 2).valid_history["loss"])


def test_the_metrics_of_the_best_epoch_are_those_of_its_state():
    lanes = jax.jit(jax.vmap(lambda key: go(STATE, 6, key)))(KEYS)
    for lane in range(3):
        best = jax.tree.map(lambda leaf, lane=lane: leaf[lane], lanes.best)
        for name, value in evaluate(best, VALID, HYPER).items():
            np.testing.assert_allclose(lanes.best_metrics[name][lane], value, rtol=1e-6)
    np.testing.assert_array_equal(lanes.best_metrics["loss"], lanes.best_value)
    never = train.make_eval(lambda *_: {"loss": jnp.nan, "other": jnp.ones(())})
    result = train.fit(step, never, STATE, KEY, TRAIN, VALID, HYPER, batch_size=BATCH_SIZE, epochs=2)
    assert all(jnp.isnan(value) for value in result.best_metrics.values())


def test_the_best_state_has_no_optimizer_state_unless_asked():
    assert go(STATE, 2).best.opt_state == ()
    result = go(STATE, 2, keep_opt_state=True)
    assert jax.tree.structure(result.best) == jax.tree.structure(result.last)
    assert int(result.best.step) == NUM_STEPS * (int(result.best_epoch) + 1)


def test_averaged_weights_are_validated_kept_and_returned_beside_the_raw_ones():
    optimizer = optax.chain(optax.sgd(0.3), optim.average_params(1.0))
    averaging = train.make_step(loss_fn, optimizer)

    def averaged(state):
        return state._replace(params=optim.averaged_params(state.opt_state))

    start = train.init_state(jnp.zeros((3, 1)), optimizer)
    result = train.fit(
        averaging, evaluate, start, KEY, TRAIN, VALID, HYPER, batch_size=BATCH_SIZE, epochs=5, validated=averaged
    )
    last = averaged(result.last)
    assert (last.params != result.last.params).all()
    np.testing.assert_allclose(evaluate(last, VALID, HYPER)["loss"], result.valid_history["loss"][-1], rtol=1e-6)
    np.testing.assert_allclose(evaluate(result.best, VALID, HYPER)["loss"], result.best_value, rtol=1e-6)


def test_a_result_that_does_not_fit_the_call_is_refused():
    result = go(STATE, 1)
    with pytest.raises(ValueError, match="fit: state must have a best state as this call keeps it"):
        go(result, 1, keep_opt_state=True)
    other = train.make_eval(lambda *_: {"loss": jnp.zeros(())})
    with pytest.raises(ValueError, match=r"fit: state must have the metrics \['loss'\] in its valid_history; got \["):
        train.fit(step, other, result, KEY, TRAIN, VALID, HYPER, batch_size=BATCH_SIZE, epochs=1)
    with pytest.raises(TypeError, match="fit: validated must return a TrainState, such as"):
        go(STATE, 1, validated=lambda state: state.params)
    with pytest.raises(TypeError, match=r"fit: validated must be a function \(state\) -> state"):
        go(STATE, 1, validated=3)
