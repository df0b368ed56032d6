"""Schedules in `hyper`: everything sees the number of its step or epoch, and the compiled program stays the same."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import noise, optim, random, train
from jreg._core.checks import Checks
from jreg.train import _schedule

KEY = jax.random.key(7)
NUM_EXAMPLES, BATCH_SIZE, NUM_STEPS, EPOCHS = 20, 4, 5, 6
X = jax.random.normal(jax.random.key(0), (NUM_EXAMPLES, 3))
DATA = (X, X @ jnp.array([[1.0], [-2.0], [0.5]]))
RATES = jnp.array([0.5, 0.25, 0.125, 0.0], jnp.float32)
LEARNING_RATES = jnp.array([0.1, 0.2, 0.05], jnp.float32)


def loss_fn(params, model_state, key, batch, hyper):
    x, y = batch
    error = noise.dropout(key, x, hyper["rate"]) @ params - y
    return jnp.mean(error**2), (model_state, {"rate": jnp.asarray(hyper["rate"])})


def make_optimizer(hyper):
    return optax.sgd(hyper["learning_rate"], momentum=0.5)


def wrap_gradient(grad_fn, hyper):
    return optim.sam_gradient(grad_fn, hyper["rate"])


def metric_fn(params, model_state, batch, hyper):
    return {"loss": jnp.mean((batch[0] @ params - batch[1]) ** 2), "rate": jnp.asarray(hyper["rate"])}


step = train.make_step(loss_fn, make_optimizer, wrap_gradient=wrap_gradient)
evaluate = train.make_eval(metric_fn)


def make_state():
    return train.init_state(jnp.zeros((3, 1)), make_optimizer({"learning_rate": 0.1}))


def fit(key, hyper, state=None, epochs=EPOCHS, **options):
    state = make_state() if state is None else state
    return train.fit(step, evaluate, state, key, DATA, DATA, hyper, batch_size=BATCH_SIZE, epochs=epochs, **options)


def batches(epoch):
    return list(zip(*(jnp.split(leaf, NUM_STEPS) for leaf in DATA), strict=True))


def run(hyper, epochs=EPOCHS, **options):
    given = {"epochs": epochs, "progress": False} | options
    return train.run(step, evaluate, make_state(), KEY, batches, [DATA], hyper, **given)


def assert_same(got, expected):
    jax.tree.map(np.testing.assert_array_equal, got, expected)


def held(values, epoch):
    return values[min(epoch, len(values) - 1)]


PER_EPOCH = {"rate": train.per_epoch(RATES), "learning_rate": train.per_epoch(LEARNING_RATES)}


def halving(step):
    return 0.5 / (1.0 + step)


# By hand: a step and an evaluation see the number of the state's step.


def test_a_scheduled_step_is_the_step_with_its_number():
    scheduled, plain, state = jax.jit(step), jax.jit(step), make_state()
    expected = state
    for taken, key in enumerate(jax.random.split(KEY, 4)):
        hyper = {"rate": train.per_step(lambda step: RATES[step]), "learning_rate": 0.1}
        state, metrics = scheduled(state, jax.random.clone(key), DATA, hyper)
        expected, _ = plain(expected, key, DATA, {"rate": RATES[taken], "learning_rate": 0.1})
        assert_same(state, expected)
        assert metrics["rate"] == RATES[taken]
        assert evaluate(state, DATA, hyper)["rate"] == RATES[min(taken + 1, 3)]


def test_the_loss_the_optimizer_and_the_gradient_see_it():
    seen = []

    def see(who, hyper):
        seen.append((who, float(hyper)))

    def watched_loss(params, model_state, key, batch, hyper):
        see("loss", hyper)
        return jnp.sum(params), (model_state, {})

    def optimizer(hyper):
        see("optimizer", hyper)
        return optax.sgd(hyper)

    def wrap(grad_fn, hyper):
        see("gradient", hyper)
        return grad_fn

    watched = train.make_step(watched_loss, optimizer, wrap_gradient=wrap)
    judge = train.make_eval(lambda params, model_state, batch, hyper: see("metric", hyper) or {})
    state, _ = watched(train.init_state(jnp.ones(2), optax.sgd(0.1)), KEY, DATA, train.per_step(halving))
    judge(state, DATA, train.per_step(halving))
    assert sorted(seen) == [("gradient", 0.5), ("loss", 0.5), ("metric", 0.25), ("optimizer", 0.5)]


@pytest.mark.parametrize(
    "schedule",
    [optax.linear_schedule(0.5, 0.0, 3), optax.cosine_decay_schedule(0.5, 4), optax.constant_schedule(0.3)],
    ids=("linear", "cosine", "constant"),
)
def test_the_schedules_of_optax_serve(schedule):
    state = make_state()
    for taken, key in enumerate(jax.random.split(KEY, 4)):
        hyper = {"rate": train.per_step(schedule), "learning_rate": 0.1}
        state, metrics = jax.jit(step)(state, key, DATA, hyper)
        np.testing.assert_allclose(metrics["rate"], schedule(taken), rtol=1e-6, atol=1e-7)


def test_a_clipped_schedule_reaches_the_end_of_its_range():
    """Compiled, optax's own ends at -1.5e-8: a rate that no dropout takes."""
    schedule, state = optax.linear_schedule(0.5, 0.0, 3), make_state()
    hyper = {"rate": train.per_step(lambda step: jnp.maximum(schedule(step), 0.0)), "learning_rate": 0.1}
    for key in jax.random.split(KEY, 5):
        state, metrics = jax.jit(step)(state, key, DATA, hyper)
    assert metrics["rate"] == 0.0
    assert jnp.isfinite(metrics["loss"])


def test_a_bare_function_is_a_schedule_of_the_step():
    hypers = ({"rate": schedule, "learning_rate": 0.1} for schedule in (halving, train.per_step(halving)))
    bare, wrapped = (step(make_state(), jax.random.clone(KEY), DATA, hyper)[0] for hyper in hypers)
    assert_same(bare, wrapped)
    hypers = ({"rate": schedule, "learning_rate": 0.1} for schedule in (halving, train.per_step(halving)))
    bare, wrapped = (fit(jax.random.clone(KEY), hyper, epochs=2) for hyper in hypers)
    assert_same(bare, wrapped)
    assert_same(
        run({"rate": halving, "learning_rate": 0.1}, 2).last,
        run({"rate": train.per_step(halving), "learning_rate": 0.1}, 2).last,
    )
    found = train.sweep(
        lambda key, hyper: evaluate(make_state(), DATA, hyper), KEY[None], {"rate": halving, "x": X[:2]}
    )
    assert found["rate"].tolist() == [[0.5], [0.5]]


def test_hyper_may_be_one_schedule_and_one_without_schedules_is_passed_on_as_it_is():
    assert _schedule.at_step("step", train.per_step(halving), jnp.int32(1)) == 0.25
    hyper = {"rate": 0.5, "dtype": jnp.float32}
    assert _schedule.at_step("step", hyper, jnp.int32(1)) is hyper
    assert _schedule.at_epoch(Checks("fit"), hyper, 1) is hyper


# In fit and run.


def python_loop():
    """The loop that a user writes, with the numbers of the day."""
    run_step, run_evaluate, state, rates = jax.jit(step), jax.jit(evaluate), make_state(), []
    for epoch in range(EPOCHS):
        today = {"rate": held(RATES, epoch), "learning_rate": held(LEARNING_RATES, epoch)}
        for position, batch in enumerate(batches(epoch)):
            state, _ = run_step(state, random.fold_in(KEY, epoch * NUM_STEPS + position), batch, today)
        rates.append(float(run_evaluate(state, DATA, today)["rate"]))
    return state, rates


def test_a_run_is_the_loop_with_the_numbers_of_each_epoch():
    state, rates = python_loop()
    result = run(PER_EPOCH)
    assert_same(result.last.params, state.params)
    assert result.valid_history["rate"].tolist() == rates == [0.5, 0.25, 0.125, 0.0, 0.0, 0.0]
    assert result.train_history["rate"].tolist() == rates


def test_a_fit_is_its_epochs_one_by_one_with_plain_numbers():
    one_epoch = jax.jit(lambda progress, hyper: fit(KEY, hyper, progress, 1))
    progress = make_state()
    for epoch in range(EPOCHS):
        today = {"rate": held(RATES, epoch), "learning_rate": held(LEARNING_RATES, epoch)}
        progress = one_epoch(progress, today)
    whole = jax.jit(lambda hyper: fit(KEY, hyper))(PER_EPOCH)
    assert_same(whole, progress)
    assert whole.valid_history["rate"].tolist() == [0.5, 0.25, 0.125, 0.0, 0.0, 0.0]
    assert whole.train_history["rate"].tolist() == [0.5, 0.25, 0.125, 0.0, 0.0, 0.0]


def test_a_function_of_the_epoch_is_the_array_of_its_values_in_fit_and_in_run():
    by_function = {"rate": train.per_epoch(lambda epoch: RATES[jnp.minimum(epoch, 3)]), "learning_rate": 0.1}
    by_array = {"rate": train.per_epoch(RATES), "learning_rate": 0.1}
    assert_same(fit(KEY, by_function), fit(KEY, by_array))
    first, second = run(by_function), run(by_array)
    assert_same(first.last, second.last)
    assert_same(first.valid_history, second.valid_history)


def test_run_and_fit_agree_on_the_number_of_every_epoch_and_step():
    def shares(epoch):
        return 1.0 - 0.3**epoch

    hyper = {"rate": train.per_epoch(shares), "learning_rate": train.per_step(halving)}
    on_device, on_host = fit(KEY, hyper), run(hyper)
    for history in ("train_history", "valid_history"):
        np.testing.assert_array_equal(getattr(on_device, history)["rate"], getattr(on_host, history)["rate"])


@pytest.mark.thorough
def test_a_continued_fit_continues_its_schedule():
    assert_same(fit(KEY, PER_EPOCH, fit(KEY, PER_EPOCH, epochs=2), epochs=EPOCHS - 2), fit(KEY, PER_EPOCH))


def test_one_trace_serves_every_number():
    traces = 0

    def counted(*args):
        nonlocal traces
        traces += 1
        return loss_fn(*args)

    watched = train.make_step(counted, make_optimizer)
    jitted, state = jax.jit(watched), make_state()
    for _ in range(3):
        state, _ = jitted(state, KEY, DATA, {"rate": train.per_step(halving), "learning_rate": 0.1})
    assert traces == 1
    given = {"epochs": EPOCHS, "progress": False}
    train.run(watched, evaluate, make_state(), KEY, batches, [DATA], PER_EPOCH, **given)
    in_one_run, traces = traces, 0
    other = {"rate": train.per_epoch(RATES[::-1]), "learning_rate": train.per_epoch(LEARNING_RATES)}
    train.run(watched, evaluate, make_state(), KEY, batches, [DATA], other, **given)
    assert in_one_run <= 3
    assert traces <= 1  # The sums of the metrics are shaped anew, nothing is compiled.
    fitted = jax.jit(partial(train.fit, watched, evaluate, batch_size=BATCH_SIZE, epochs=EPOCHS))
    fitted(make_state(), KEY, DATA, DATA, PER_EPOCH)
    traces = 0
    fitted(make_state(), KEY, DATA, DATA, other)
    assert traces == 0


@pytest.mark.thorough
def test_a_sweep_over_schedules_is_the_fits_one_by_one():
    rows = jnp.stack([RATES, RATES[::-1], jnp.zeros(4)])
    hypers = {"rate": train.per_epoch(rows), "learning_rate": jnp.array([0.1, 0.2, 0.3])}
    keys = jax.random.split(KEY, 2)
    swept = train.sweep(fit, keys, hypers, devices=jax.devices()[:2])
    single = jax.jit(fit)
    for setting in range(3):
        for seed in range(2):
            hyper = {"rate": train.per_epoch(rows[setting]), "learning_rate": hypers["learning_rate"][setting]}
            got = jax.tree.map(lambda leaf, place=(setting, seed): leaf[place], swept)
            expected = single(jax.random.clone(keys[seed]), hyper)
            jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), got, expected)
    np.testing.assert_array_equal(swept.train_history["rate"][1, 0], [0.0, 0.125, 0.25, 0.5, 0.5, 0.5])
    mapped = jax.vmap(fit, (None, 0))(keys[0], hypers)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[:, 0], rtol=1e-5, atol=1e-6), mapped, swept)


def test_a_grid_combines_the_rows_of_schedules_and_a_table_takes_them():
    rows = np.array([[0.0, 0.5], [0.5, 0.0]], np.float32)
    axes = {"rate": train.per_epoch(rows), "decay": [1.0, 2.0, 3.0]}
    hypers = train.grid(axes)
    np.testing.assert_array_equal(hypers["rate"].values, np.repeat(rows, 3, axis=0))
    assert hypers["decay"].tolist() == [1.0, 2.0, 3.0] * 2
    found = train.reshape_to_grid(axes, jnp.zeros((6, 2)))
    assert found.names == ("rate", "decay", "seed")
    assert found.coordinates["rate"].tolist() == [0, 1]
    table = train.tabulate({**hypers, "other": halving}, {"valid": np.arange(12.0).reshape(6, 2)}, by="valid")
    assert list(table.settings) == ["decay"]
    for axis in (rows[0], lambda epoch: 0.5):
        with pytest.raises(ValueError, match=r"^grid: axes must hold schedules as per_epoch of an array \(values, epo"):
            train.grid({"rate": train.per_epoch(axis)})


def test_both_nodes_pass_through_jit_arguments_and_an_export():
    hyper = {"rate": train.per_epoch(RATES), "learning_rate": train.per_step(halving)}
    jitted = jax.jit(lambda hyper: fit(KEY, hyper, epochs=2).last)
    exported = jax.export.export(jitted)(hyper)
    assert_same(exported.call(hyper), jitted(hyper))
    leaves, tree = jax.tree.flatten(hyper)
    assert len(leaves) == 1
    assert jax.tree.unflatten(tree, leaves) == hyper


@pytest.mark.thorough
def test_a_schedule_has_a_gradient():
    def loss(rates):
        return fit(KEY, {"rate": 0.0, "learning_rate": train.per_epoch(rates)}, epochs=2).valid_history["loss"][-1]

    slopes = jax.grad(loss)(LEARNING_RATES)
    assert (slopes[:2] != 0.0).all()
    assert slopes[2] == 0.0


# A resumed run knows its schedules.


def test_a_resumed_run_continues_its_schedule_and_names_one_that_changed(tmp_path):
    unbroken = run(PER_EPOCH)
    run(PER_EPOCH, 2, checkpoints=train.Checkpoints(tmp_path))
    changed = {**PER_EPOCH, "rate": train.per_epoch(RATES.at[3].set(0.75))}
    with pytest.raises(ValueError, match=r"hyper/rate: per epoch float32 \[0.5, 0.25, 0.125, 0.0\] before, per epoch"):
        run(changed, checkpoints=train.Checkpoints(tmp_path))
    with pytest.raises(ValueError, match=r"hyper/rate: per epoch float32 .* before, per step, by a function now"):
        run({**PER_EPOCH, "rate": halving}, checkpoints=train.Checkpoints(tmp_path))
    resumed = run(PER_EPOCH, checkpoints=train.Checkpoints(tmp_path))
    assert_same(resumed.last, unbroken.last)
    assert_same(resumed.valid_history, unbroken.valid_history)


# What is refused.


def test_a_schedule_of_the_epoch_in_a_step_by_hand_is_named():
    hyper = {"noise": {"rate": train.per_epoch(RATES)}, "learning_rate": 0.1}
    with pytest.raises(TypeError, match=r"^step: hyper must hold numbers.*; at noise/rate it has a per_epoch"):
        step(make_state(), KEY, DATA, hyper)
    with pytest.raises(TypeError, match=r"^evaluate: hyper must hold numbers.*; at its root it has a per_epoch"):
        evaluate(make_state(), DATA, train.per_epoch(RATES))


def test_a_schedule_that_returns_no_number_is_named():
    hyper = {"rate": train.per_step(lambda step: "high"), "learning_rate": 0.1}
    with pytest.raises(TypeError, match=r"^step: hyper must hold arrays; at rate it has 'high'"):
        step(make_state(), KEY, DATA, hyper)
    for start, train_one in (("fit", partial(fit, KEY)), ("run", run)):
        with pytest.raises(TypeError, match=rf"^{start}: hyper must hold arrays; at rate it has 'high'"):
            train_one({**hyper, "rate": train.per_epoch(lambda epoch: "high")})


def test_a_sweep_with_one_number_per_setting_is_told_its_shape():
    hypers = {"rate": train.per_epoch(RATES), "learning_rate": RATES}
    with pytest.raises(
        ValueError, match=r"^fit: hyper must hold an entry per epoch.*after the settings; at rate it has a"
    ):
        train.sweep(fit, KEY[None], hypers)


def test_traced_rows_make_schedules_and_nan_among_them_stays_nan():
    built = jax.jit(
        lambda rates: fit(KEY, {"rate": train.per_epoch(rates), "learning_rate": 0.1}).train_history["rate"]
    )
    assert np.isnan(built(RATES.at[1].set(jnp.nan)))[1]
