"""Halving: each lane of each rung is the whole fit up to there, and the best settings are those that go on."""

from math import nan

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import random, train
from tests.train.test_sweep import DATA, KEYS, assert_equal

RATES = jnp.array([0.0, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 5.0, 1e30])
HYPERS = {"learning_rate": RATES}


def loss_fn(params, model_state, key, batch, hyper):
    return jnp.mean((batch @ params - batch[:, :1]) ** 2), (model_state, {})


def make_optimizer(hyper):
    return optax.sgd(hyper["learning_rate"])


step = train.make_step(loss_fn, make_optimizer)
judge = train.make_eval(lambda params, _, batch, hyper: {"loss": jnp.mean((batch @ params - batch[:, :1]) ** 2)})


def fit_on(key, hyper, so_far, epochs):
    init_key, fit_key = random.split(key)
    state = train.init_state(jax.random.normal(init_key, (4, 1)), make_optimizer(hyper)) if so_far is None else so_far
    return train.fit(step, judge, state, fit_key, DATA, DATA[:5], hyper, batch_size=8, epochs=epochs)


def full(key, hyper):
    return fit_on(key, hyper, None, 8)


@pytest.mark.thorough
@pytest.mark.parametrize("num_devices", [1, 3])
@pytest.mark.parametrize("chunk_size", [None, 4])
def test_survivors_equal_their_lanes_of_the_full_sweep(num_devices, chunk_size):
    devices = jax.devices()[:num_devices]
    found = train.halving(fit_on, KEYS, HYPERS, rungs=(1, 3, 8), keep=0.5, devices=devices, chunk_size=chunk_size)
    whole = train.sweep(full, jax.random.clone(KEYS), HYPERS)
    last = found.rungs[-1].settings
    for place, setting in enumerate(last):
        for name in ("last", "valid_history", "train_history"):
            mine, other = (getattr(result, name) for result in (found.result, whole))
            jax.tree.map(
                lambda a, b, p=place, s=setting: np.testing.assert_allclose(a[p], b[s], 1e-4, 1e-7), mine, other
            )
    assert found.best == int(jnp.argmin(jnp.nan_to_num(whole.best_value.mean(1), nan=jnp.inf)))
    assert [len(rung.settings) for rung in found.rungs] == [9, 5, 3]
    assert [rung.epochs for rung in found.rungs] == [1, 3, 8]
    assert found.epochs_run == 3 * (9 * 1 + 5 * 2 + 3 * 5)


def scripted(key, hyper, so_far, epochs):
    """A fit whose loss is the setting."""
    judge = train.make_eval(lambda params, _, batch, hyper: {"loss": hyper})
    state = train.init_state(jnp.zeros((4, 1)), optax.sgd(0.1)) if so_far is None else so_far
    step = train.make_step(loss_fn, optax.sgd(0.1))
    return train.fit(step, judge, state, key, DATA, DATA, hyper, batch_size=8, epochs=epochs)


@pytest.mark.thorough
@pytest.mark.parametrize(("mode", "order"), [("min", [4, 2, 0]), ("max", [3, 0, 2])])
def test_the_best_come_first_and_nan_last(mode, order):
    hypers = jnp.array([2.0, 9e9, 1.0, 3.0, 0.5])

    def with_nan(key, hyper, so_far, epochs):
        return scripted(key, jnp.where(hyper > 1e9, nan, hyper), so_far, epochs)

    found = train.halving(with_nan, KEYS[:1], hypers, rungs=(1, 2), keep=0.6, mode=mode)
    assert found.rungs[1].settings.tolist() == order
    assert found.best == order[0]


def test_one_setting_always_goes_on_and_one_rung_is_a_sweep():
    found = train.halving(fit_on, KEYS, HYPERS, rungs=(1, 2, 3), keep=0.01)
    assert [len(rung.settings) for rung in found.rungs] == [9, 1, 1]
    single = train.halving(fit_on, KEYS, HYPERS, rungs=(2,))
    assert_equal(
        single.result.valid_history, train.sweep(lambda k, h: fit_on(k, h, None, 2), KEYS, HYPERS).valid_history
    )


def test_each_rung_is_traced_once():
    traces = []

    def counted(key, hyper, so_far, epochs):
        traces.append(epochs)
        return fit_on(key, hyper, so_far, epochs)

    for _ in range(2):
        train.halving(counted, KEYS, HYPERS, rungs=(1, 3), keep=0.5)
    assert traces == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rungs": (3, 3)}, "halving: rungs must rise; got (3, 3)"),
        ({"rungs": ()}, "halving: rungs must be rising numbers of epochs"),
        ({"rungs": (0, 3)}, "halving: rungs must be"),
        ({"rungs": (1,), "keep": 1.0}, "halving: keep must be in (0, 1); got 1.0"),
        ({"rungs": (1,), "mode": "best"}, "halving: mode must be"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        train.halving(fit_on, KEYS, HYPERS, **options)
    assert str(raised.value).startswith(message)


def test_what_is_no_result_is_refused():
    with pytest.raises(TypeError, match="halving: fit_on must return a FitResult, from fit; got 3"):
        train.halving(lambda *_: 3, KEYS, HYPERS, rungs=(1,))
