"""A learning rate that falls on a plateau: torch's numbers, and the same in a fit, in a run and by hand."""

from math import inf, nan

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import random, train
from jreg.train._order import shuffled

EPOCHS = 18
KEY = jax.random.key(7)
X = jax.random.normal(jax.random.key(0), (8, 3))
VALUES = [1.0, 0.8, 0.79999, 0.81, 0.9, 0.7, 0.75, 0.71, nan, 0.72, 0.73, 0.69, 0.74, 0.74, 0.74, 0.74, 0.74, 0.74]
# torch 2.13.0, `ReduceLROnPlateau(SGD([w], lr=1.0), factor=0.5, eps=0.0, **options)`, the learning rate after each
# `scheduler.step(value)`; there patience is the number of bad epochs that are forgiven, one less than here.
# 1: patience=1, also mode="max" on 1 / value. 2: and cooldown=2, min_lr=0.2. 3: patience=2, threshold=0.05.
# 4: patience=1, threshold=0.15, threshold_mode="abs".
TORCH_1 = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
TORCH_1 += [0.0625, 0.0625, 0.03125, 0.03125, 0.015625]
TORCH_2 = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2]
TORCH_3 = [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125]
TORCH_3 += [0.0625, 0.0625, 0.0625, 0.03125]
TORCH_4 = [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625, 0.03125, 0.03125]
TORCH_4 += [0.015625, 0.015625, 0.0078125, 0.0078125, 0.00390625]


def scales(values, mode="min", **options):
    state, found = train.reduce_on_plateau(0.5, **options).init(jnp.zeros(2)), []
    for value in values:
        state = train.update_plateau(state, value, mode=mode)
        found.append(float(state.scale))
    return found


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        (TORCH_1, {"patience": 2}),
        (TORCH_2, {"patience": 2, "cooldown": 2, "min_scale": 0.2}),
        (TORCH_3, {"patience": 3, "rtol": 0.05}),
        (TORCH_4, {"patience": 2, "rtol": 0.0, "atol": 0.15}),
    ],
)
def test_the_scale_is_the_learning_rate_of_torch(expected, options):
    np.testing.assert_allclose(scales(VALUES, **options), expected, rtol=1e-6)


def test_the_scale_is_that_of_torch_where_higher_is_better():
    assert scales([1.0 / value for value in VALUES], "max", patience=2) == TORCH_1


def test_values_below_zero_are_judged_by_their_size():
    """By (1 - rtol) * best, as torch and optax judge, -10.0 after -10.0 would be better."""
    assert scales([-10.0, -9.9999, -10.0, -10.1], patience=1) == [1.0, 0.5, 0.25, 0.25]
    assert scales([-1.0, -0.5, -0.6], "max", patience=1) == [1.0, 1.0, 0.5]


def test_infinite_values_and_patience():
    assert scales([inf, 1.0, 1.0], patience=inf) == [1.0, 1.0, 1.0]
    assert scales([inf, inf, 1.0], patience=1) == [0.5, 0.25, 0.25]
    assert scales([1.0, 1.0, 1.0], patience=0) == [1.0, 0.5, 0.25]


def test_updates_are_scaled_in_their_dtype():
    optimizer = train.reduce_on_plateau(0.5, patience=1)
    params = {"a": jnp.ones(2, jnp.bfloat16), "b": jnp.ones(3)}
    state = train.update_plateau(train.update_plateau(optimizer.init(params), 1.0), 2.0)
    updates, state = optimizer.update(params, state, params)
    jax.tree.map(lambda leaf, old: np.testing.assert_array_equal(leaf, 0.5 * old), updates, params)
    assert updates["a"].dtype == jnp.bfloat16
    jax.lax.cond(True, lambda: state, lambda: optimizer.init(params))


def test_a_traced_setting_out_of_range_spoils_the_updates():
    def updated(factor):
        optimizer = train.reduce_on_plateau(factor, 2)
        return optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)))[0]

    with jax.debug_nans(False):
        assert jnp.isnan(jax.jit(updated)(2.0)).all()
    assert (jax.jit(updated)(0.5) == 1.0).all()


# In a fit and in a run: the validation value of every epoch.


def loss_fn(params, model_state, key, batch, hyper):
    return jnp.mean((batch @ params["w"]) ** 2), (model_state, {})


def scripted(params, model_state, batch, hyper):
    """A validation loss by the number of updates made, which the params count."""
    return {"loss": hyper["values"][(params["taken"] / 2.0).astype(int) - 1], "score": jnp.zeros(())}


def make_optimizer(hyper):
    plateau = train.reduce_on_plateau(hyper["factor"], patience=2)
    counting = optax.stateless(lambda updates, params: {**updates, "taken": jnp.ones(())})
    return optax.chain(optax.sgd(0.01, momentum=0.9), plateau, counting)


VALUES_HERE = jnp.array([*VALUES[:8], 0.9, *VALUES[9:]])
HYPER = {"factor": 0.5, "values": VALUES_HERE}
PARAMS = {"w": jnp.ones((3, 1)), "taken": jnp.zeros(())}
step, evaluate = train.make_step(loss_fn, make_optimizer), train.make_eval(scripted)


def make_state():
    return train.init_state(PARAMS, make_optimizer(HYPER))


def fit(hyper=HYPER, state=None, epochs=EPOCHS, **options):
    state = make_state() if state is None else state
    return train.fit(step, evaluate, state, KEY, X, X, hyper, batch_size=4, epochs=epochs, **options)


def scale_of(result):
    return optax.tree.get(result.last.opt_state, "scale")


def test_a_fit_is_a_loop_by_hand():
    run_step, state, found = jax.jit(step), make_state(), []
    for epoch in range(EPOCHS):
        order_key, steps_key = random.split(random.fold_in(KEY, epoch))
        order = shuffled(order_key, 8)
        for position, key in enumerate(random.split_array(steps_key, 2)):
            state, _ = run_step(state, key, X[order[4 * position : 4 * position + 4]], HYPER)
        value = evaluate(state, X, HYPER)["loss"]
        state = state._replace(opt_state=train.update_plateau(state.opt_state, value))
        found.append(float(optax.tree.get(state.opt_state, "scale")))
    assert found == TORCH_1
    result = fit()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7), result.last, state)
    assert [float(scale_of(fit(epochs=epochs))) for epochs in (1, 4, 8)] == [TORCH_1[0], TORCH_1[3], TORCH_1[7]]


def test_a_continued_fit_continues_it():
    continued = fit(state=fit(epochs=5), epochs=EPOCHS - 5)
    jax.tree.map(np.testing.assert_array_equal, continued, fit())


def test_it_judges_by_the_monitored_metric_in_its_direction():
    assert scale_of(fit(monitor="score", epochs=5)) == 0.25
    higher = {**HYPER, "values": 1.0 / VALUES_HERE}
    assert scale_of(fit(higher, mode="max")) == TORCH_1[-1]


def test_lanes_of_a_sweep_fall_for_themselves():
    hypers = {"factor": jnp.array([0.5, 0.1, 1.0]), "values": jnp.stack([VALUES_HERE] * 3)}
    swept = train.sweep(
        lambda key, hyper: scale_of(fit(hyper, epochs=10)), KEY[None], hypers, devices=jax.devices()[:1]
    )
    np.testing.assert_allclose(swept[:, 0], [0.125, 1e-3, 1.0], rtol=1e-5)


def run(**options):
    given = {"epochs": EPOCHS, "progress": False} | options
    return train.run(step, evaluate, make_state(), KEY, [X[:4], X[4:]], [X], HYPER, **given)


@pytest.mark.thorough
def test_a_run_tells_it_the_same_and_resumes(tmp_path):
    whole = run()
    assert scale_of(whole) == TORCH_1[-1]
    for epochs in (3, 7, EPOCHS):
        resumed = run(checkpoints=train.Checkpoints(tmp_path), epochs=epochs)
        assert scale_of(resumed) == TORCH_1[epochs - 1]
    jax.tree.map(np.testing.assert_array_equal, resumed.last, whole.last)


def test_a_run_may_skip_bad_steps_beside_it():
    assert scale_of(run(non_finite="skip")) == TORCH_1[-1]
