"""A whole run: the same as a loop in Python, stopped and restored where it should be, alone and in a vmap."""

from functools import partial
from math import inf, nan

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import noise, norm, random, train
from jreg.train._order import shuffled

KEY = jax.random.key(7)
NUM_EXAMPLES, BATCH_SIZE, NUM_STEPS, EPOCHS = 22, 4, 5, 6


def regression(num_examples, seed):
    x = jax.random.normal(jax.random.key(seed), (num_examples, 3))
    return x, x @ jnp.array([[1.0], [-2.0], [0.5]]) + 0.1 * jax.random.normal(
        jax.random.key(seed + 1), (num_examples, 1)
    )


TRAIN, VALID = regression(NUM_EXAMPLES, 0), regression(10, 2)
HYPER = {"rate": jnp.float32(0.2), "learning_rate": jnp.float32(0.1)}


def loss_fn(params, model_state, key, batch, hyper):
    x, y = batch
    error = noise.dropout(key, x, hyper["rate"]) @ params - y
    return jnp.mean(error**2), (model_state, {"error": jnp.mean(jnp.abs(error))})


def make_optimizer(hyper):
    return optax.sgd(hyper["learning_rate"], momentum=0.5)


step = train.make_step(loss_fn, make_optimizer)
evaluate = train.make_eval(
    lambda params, model_state, batch, hyper: {
        "loss": jnp.mean((batch[0] @ params - batch[1]) ** 2),
        "fit": -jnp.mean((batch[0] @ params - batch[1]) ** 2),
    }
)


def make_state():
    return train.init_state(jnp.zeros((3, 1)), make_optimizer(HYPER))


def fit(key, hyper, **options):
    options = {"batch_size": BATCH_SIZE, "epochs": EPOCHS} | options
    return train.fit(step, evaluate, make_state(), key, TRAIN, VALID, hyper, **options)


@jax.jit
def fit_with_patience(key, hyper, patience, min_delta):
    return fit(key, hyper, patience=patience, min_delta=min_delta)


def python_loop(key, hyper):
    run_step, run_evaluate = jax.jit(step), jax.jit(evaluate)
    state, states, train_history, valid_history = make_state(), [], [], []
    for epoch in range(EPOCHS):
        order_key, steps_key = random.split(random.fold_in(key, epoch))
        order = shuffled(order_key, NUM_EXAMPLES)
        metrics = []
        for index, step_key in enumerate(random.split(steps_key, NUM_STEPS)):
            rows = order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
            state, step_metrics = run_step(
                state, step_key, jax.tree.map(lambda leaf, rows=rows: leaf[rows], TRAIN), hyper
            )
            metrics.append(step_metrics)
        states.append(state)
        train_history.append({name: np.mean([float(one[name]) for one in metrics]) for name in metrics[0]})
        valid_history.append({name: float(value) for name, value in run_evaluate(state, VALID, hyper).items()})
    return states, train_history, valid_history


def assert_close(got, expected, rtol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6), got, expected)


def weighted_loss(params, model_state, key, batch, hyper):
    (x, y), weights = batch
    losses = jnp.sum((noise.dropout(None, x, 0.0) @ params - y) ** 2, axis=1)
    return jnp.sum(weights * losses) / jnp.sum(weights), (model_state, {})


def mean_loss(params, model_state, key, batch, hyper):
    return weighted_loss(params, model_state, key, (batch, jnp.ones(len(batch[0]))), hyper)


def columns(history):
    return {name: np.array([epoch[name] for epoch in history]) for name in history[0]}


def test_a_fit_is_a_loop_in_python():
    states, train_history, valid_history = python_loop(KEY, HYPER)
    result = fit(KEY, HYPER)
    best = int(np.argmin(columns(valid_history)["loss"]))
    assert_close(dict(result.train_history), columns(train_history))
    assert_close(dict(result.valid_history), columns(valid_history))
    assert_close(result.last, states[-1])
    assert_close(result.best, states[best]._replace(opt_state=()))
    assert (int(result.best_epoch), int(result.stopped_epoch)) == (best, EPOCHS)
    assert int(result.last.step) == EPOCHS * NUM_STEPS


def test_alone_and_jitted_it_is_the_same_and_twice_too():
    alone, jitted = fit(KEY, HYPER, patience=inf), fit_with_patience(KEY, HYPER, inf, 0.0)
    assert_close(jitted, alone)
    jax.tree.map(np.testing.assert_array_equal, fit_with_patience(KEY, HYPER, inf, 0.0), jitted)
    assert_close(fit(KEY, HYPER), alone)


def test_no_patience_never_stops_and_keeps_the_best_all_the_same():
    """keras-team/keras#12511: the best weights were restored only when the stop fired."""
    result = fit_with_patience(KEY, HYPER, inf, 0.0)
    assert int(result.stopped_epoch) == EPOCHS
    np.testing.assert_array_equal(result.best_value, jnp.min(result.valid_history["loss"]))
    np.testing.assert_allclose(evaluate(result.best, VALID, HYPER)["loss"], result.best_value, rtol=1e-6)
    np.testing.assert_allclose(evaluate(result.last, VALID, HYPER)["loss"], result.valid_history["loss"][-1], rtol=1e-6)


def test_two_keys_give_two_runs():
    first, second = (fit_with_patience(jax.random.key(seed), HYPER, inf, 0.0) for seed in (1, 2))
    assert (first.last.params != second.last.params).all()


def test_lanes_of_a_vmap_stop_for_themselves_and_equal_their_single_runs():
    keys = jax.random.split(KEY, 4)
    hypers = {"rate": jnp.array([0.0, 0.2, 0.5, 0.9]), "learning_rate": jnp.array([0.3, 0.1, 0.2, 0.5])}
    patiences, min_deltas = jnp.array([1.0, 2.0, 1.0, jnp.inf]), jnp.array([0.5, 0.0, 0.01, 0.0])
    again = jax.random.clone(keys)
    lanes = jax.vmap(fit_with_patience)(keys, hypers, patiences, min_deltas)
    for lane in range(4):
        hyper = {name: values[lane] for name, values in hypers.items()}
        single = fit_with_patience(again[lane], hyper, patiences[lane], min_deltas[lane])
        assert_close(jax.tree.map(lambda leaf, lane=lane: leaf[lane], lanes), single, rtol=2e-5)
    assert len(set(lanes.stopped_epoch.tolist())) > 1
    assert int(lanes.stopped_epoch[3]) == EPOCHS


def test_another_metric_and_direction_can_decide():
    by_loss = fit_with_patience(KEY, HYPER, inf, 0.0)
    by_fit = fit(KEY, HYPER, monitor="fit", mode="max", patience=inf)
    assert int(by_fit.best_epoch) == int(by_loss.best_epoch)
    np.testing.assert_allclose(by_fit.best_value, -by_loss.best_value, rtol=1e-6)


def test_rows_of_padding_change_nothing():
    """A short batch of its own, the same filled up, and the same in micro-batches: equal updates and equal means."""
    options = {"batch_size": BATCH_SIZE, "epochs": 2}
    optimizer = optax.sgd(0.1, momentum=0.5)

    def run(loss_fn, last_batch, accumulate=1):
        made = train.make_step(loss_fn, optimizer, accumulate=accumulate)
        state = train.init_state(jnp.zeros((3, 1)), optimizer)
        return train.fit(made, evaluate, state, KEY, TRAIN, VALID, HYPER, last_batch=last_batch, **options)

    def with_weight(*args):
        loss, (model_state, _) = weighted_loss(*args)
        return loss, (model_state, {"weight": jnp.sum(args[3][1])})

    kept = run(mean_loss, "keep")
    assert int(kept.last.step) == 2 * (NUM_STEPS + 1)
    assert_close(run(weighted_loss, "pad"), kept)
    parts = run(with_weight, "pad", accumulate=2)
    assert_close(parts.last.params, kept.last.params)
    assert_close(parts.train_history["loss"], kept.train_history["loss"])


def test_a_short_batch_counts_as_many_rows_as_it_has():
    """The mean over an epoch is the mean over its rows."""

    def read(params, model_state, key, batch, hyper):
        return jnp.sum(params), (model_state, {"mean": jnp.mean(batch)})

    state = train.init_state(jnp.zeros(1), optax.sgd(0.0))
    still = train.make_step(read, optax.sgd(0.0))
    result = train.fit(
        still, lambda state, batch, hyper: {"loss": jnp.zeros(())}, state, KEY, jnp.arange(22.0) ** 2, (), None,
        batch_size=4, epochs=1, last_batch="keep",
    )  # fmt: skip
    np.testing.assert_allclose(result.train_history["mean"], np.mean(np.arange(22.0) ** 2), rtol=1e-6)


@pytest.mark.parametrize("last_batch", ["keep", "pad"])
def test_a_batch_may_be_larger_than_the_data_unless_it_is_dropped(last_batch):
    made = train.make_step(weighted_loss if last_batch == "pad" else mean_loss, make_optimizer)
    result = train.fit(
        made, evaluate, make_state(), KEY, TRAIN, VALID, HYPER, batch_size=30, epochs=1, last_batch=last_batch
    )
    assert int(result.last.step) == 1
    grads = jax.grad(lambda params: mean_loss(params, (), None, TRAIN, None)[0])(make_state().params)
    np.testing.assert_allclose(result.last.params, -0.1 * grads, rtol=1e-5)


def test_a_fit_leaves_its_arguments_usable():
    """jax-ml/jax#2936: a loop that donates its state takes the caller's params with it."""
    state = make_state()
    train.fit(step, evaluate, state, KEY, TRAIN, VALID, HYPER, batch_size=BATCH_SIZE, epochs=1)
    assert float(jnp.sum(state.params)) == 0.0
    assert int(state.step) == 0


# A run whose validation values are given and whose parameters count the updates: what stopping does to a fit.


@partial(jax.jit, static_argnames=("epochs", "mode"))
def scripted(values, patience, min_delta=0.0, *, epochs=6, mode="min", warmup=0):
    def count(params, model_state, key, batch, hyper):
        return -params, (model_state, {})

    def read(state, batch, hyper):
        return {"loss": batch[state.step // 2 - 1]}

    state = train.init_state(jnp.zeros(()), optax.sgd(1.0))
    counting = train.make_step(count, optax.sgd(1.0))
    return train.fit(
        counting, read, state, KEY, jnp.zeros(4), values, None,
        batch_size=2, epochs=epochs, patience=patience, min_delta=min_delta, mode=mode, warmup=warmup,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "patience", "best_epoch", "stopped_epoch"),
    [
        ([5.0, 4.0, 3.0, 2.0, 1.0, 0.0], 1, 5, 6),
        ([5.0, 4.0, 4.5, 4.6, 1.0, 0.0], 2, 1, 4),
        ([5.0, 4.0, 4.5, 4.6, 1.0, 2.0], inf, 4, 6),
        ([5.0, 4.0, 4.0, 3.0, 3.0, 3.0], 0, 1, 3),
        ([nan, 4.0, nan, 3.0, nan, nan], 2, 3, 6),
        ([nan, nan, nan, 1.0, 1.0, 1.0], 3, -1, 3),
        ([nan] * 6, inf, -1, 6),
        ([inf, 4.0, 5.0, 6.0, 7.0, 8.0], 2, 1, 4),
    ],
)
def test_where_a_run_stops_and_what_it_keeps(values, patience, best_epoch, stopped_epoch):
    """Bjarten/early-stopping-pytorch#16: NaN was taken for the best."""
    result = scripted(jnp.array(values), jnp.float32(patience))
    assert (int(result.best_epoch), int(result.stopped_epoch)) == (best_epoch, stopped_epoch)
    assert float(result.best.params) == 2 * (best_epoch + 1)
    assert float(result.last.params) == 2 * stopped_epoch
    np.testing.assert_array_equal(result.best_value, values[best_epoch] if best_epoch >= 0 else nan)
    expected = np.array(values[:stopped_epoch] + [nan] * (6 - stopped_epoch), np.float32)
    np.testing.assert_array_equal(result.valid_history["loss"], expected)
    np.testing.assert_array_equal(jnp.isnan(result.train_history["loss"]), np.arange(6) >= stopped_epoch)


def test_lanes_stop_where_their_own_script_says():
    scripts = jnp.array([[3.0, 2.0, 1.0, 0.0, -1.0, -2.0], [1.0, 2.0, 3.0, 0.0, 0.0, 0.0], [nan] * 6])
    lanes = jax.vmap(lambda values: scripted(values, jnp.float32(2.0)))(scripts)
    assert lanes.stopped_epoch.tolist() == [6, 3, 2]
    assert lanes.best_epoch.tolist() == [5, 0, -1]
    assert lanes.best.params.tolist() == [12.0, 2.0, 0.0]
    assert lanes.last.params.tolist() == [12.0, 6.0, 4.0]


def test_mode_max_keeps_the_highest():
    result = scripted(jnp.array([0.1, 0.5, 0.4, 0.3, 0.9, 0.9]), jnp.float32(2.0), mode="max")
    assert (int(result.best_epoch), int(result.stopped_epoch)) == (1, 4)


def test_min_delta_is_what_counts_as_better():
    result = scripted(jnp.array([1.0, 0.95, 0.91, 0.5, 0.4, 0.3]), jnp.float32(2.0), 0.2)
    assert (int(result.best_epoch), int(result.stopped_epoch)) == (0, 3)


def test_a_warmup_is_not_judged():
    result = scripted(jnp.array([1.0, 2.0, 2.0, 2.0, 2.0, 2.0]), jnp.float32(1.0), warmup=3)
    assert (int(result.best_epoch), int(result.stopped_epoch)) == (0, 4)


def test_one_epoch_is_enough():
    result = scripted(jnp.array([1.0]), jnp.float32(1.0), epochs=1)
    assert (int(result.best_epoch), int(result.stopped_epoch)) == (0, 1)


@partial(jax.jit, static_argnames="epochs")
def orders(key, epochs):
    """Which examples each epoch used, in order: (epochs, examples used)."""

    def record(params, model_state, key, batch, hyper):
        seen, at = model_state
        return params, ((jax.lax.dynamic_update_slice(seen, batch, (at,)), at + BATCH_SIZE), {})

    state = train.init_state(jnp.zeros(()), optax.sgd(1.0), (jnp.full(epochs * 20, -1), jnp.int32(0)))
    recording = train.make_step(record, optax.sgd(1.0))
    result = train.fit(
        recording, lambda state, batch, hyper: {"loss": state.params}, state, key,
        jnp.arange(NUM_EXAMPLES), (jnp.zeros(1),), None, batch_size=BATCH_SIZE, epochs=epochs,
    )  # fmt: skip
    return result.last.model_state[0].reshape(epochs, -1)


def test_every_epoch_shuffles_anew_and_uses_every_example_at_most_once():
    seen = np.asarray(orders(KEY, 5))
    assert all(np.unique(epoch).size == 20 for epoch in seen)
    assert ((seen >= 0) & (seen < NUM_EXAMPLES)).all()
    assert np.unique(seen, axis=0).shape[0] == 5
    left_out = {tuple(sorted(set(range(NUM_EXAMPLES)) - set(epoch.tolist()))) for epoch in seen}
    assert len(left_out) > 1


def test_the_order_is_a_function_of_key_and_epoch():
    """pytorch/pytorch#5059: workers and epochs repeated one another's draws."""
    longer = orders(KEY, 5)
    np.testing.assert_array_equal(orders(KEY, 3), longer[:3])
    np.testing.assert_array_equal(orders(KEY, 5), longer)
    assert (orders(jax.random.key(8), 5) != longer).any(axis=1).all()


def test_the_best_state_holds_the_statistics_of_batch_norm_of_its_epoch():
    def normalized_loss(params, model_state, key, batch, hyper):
        x, model_state = norm.batch_norm(params["norm"], model_state, batch[0], decay=0.5)
        return jnp.mean((x @ params["kernel"] - batch[1]) ** 2), (model_state, {})

    def normalized_metrics(params, model_state, batch, hyper):
        x = norm.batch_norm_inference(params["norm"], model_state, batch[0])
        return {"loss": jnp.mean((x @ params["kernel"] - batch[1]) ** 2)}

    norm_params, stats = norm.init_batch_norm(3)
    state = train.init_state({"norm": norm_params, "kernel": jnp.zeros((3, 1))}, optax.sgd(0.3), stats)
    judge = train.make_eval(normalized_metrics)
    with jax.numpy_rank_promotion("allow"):
        result = train.fit(
            train.make_step(normalized_loss, optax.sgd(0.3)), judge, state, KEY, TRAIN, VALID, None,
            batch_size=BATCH_SIZE, epochs=4,
        )  # fmt: skip
        assert int(result.best_epoch) < 4
        np.testing.assert_allclose(judge(result.best, VALID, None)["loss"], result.best_value, rtol=1e-5)
    assert (result.last.model_state.mean != stats.mean).all()
    for leaf, start in zip(jax.tree.leaves(result.best.model_state), jax.tree.leaves(stats), strict=True):
        assert (leaf.dtype, leaf.shape) == (start.dtype, start.shape)


def test_metrics_of_every_kind_of_number_are_recorded():
    """A metric may be a count, or a hyperparameter that is a Python number."""

    def count_loss(params, model_state, key, batch, hyper):
        return jnp.mean((batch[0] @ params - batch[1]) ** 2), (
            model_state,
            {"rate": hyper["rate"], "count": jnp.int32(3)},
        )

    def metrics(state, batch, hyper):
        return {"loss": jnp.bfloat16(1.0), "right": jnp.sum(batch[1] > 0), "rate": hyper["rate"]}

    state = train.init_state(jnp.zeros((3, 1)), optax.sgd(0.1))
    counting = train.make_step(count_loss, optax.sgd(0.1))
    result = train.fit(counting, metrics, state, KEY, TRAIN, VALID, {"rate": 0.5}, batch_size=4, epochs=2)
    assert result.train_history["rate"].tolist() == result.valid_history["rate"].tolist() == [0.5, 0.5]
    assert result.train_history["count"].tolist() == [3.0, 3.0]
    assert result.valid_history["right"].tolist() == [float((VALID[1] > 0).sum())] * 2
    assert {values.dtype for values in result.valid_history.values()} == {jnp.dtype("float32")}


@pytest.mark.parametrize("batch_size", [23, 100])
def test_a_batch_larger_than_the_data_is_refused(batch_size):
    with pytest.raises(ValueError, match=r"^fit: batch_size must be at most the 22 examples of train_data; got"):
        fit(KEY, HYPER, batch_size=batch_size)


@pytest.mark.parametrize("name", ["batch_size", "epochs"])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)])
def test_counts_that_are_no_counts_are_refused(name, value, error):
    with pytest.raises(error, match=rf"^fit: {name} must be"):
        fit(KEY, HYPER, **{name: value})


@pytest.mark.parametrize("key", [None, 0, jnp.zeros(3, jnp.uint32)], ids=repr)
def test_a_run_without_a_key_is_refused(key):
    with pytest.raises(TypeError, match=r"^fit: key must be a PRNG key"):
        fit(key, HYPER)


def test_an_unknown_monitor_is_refused():
    """keras only warns, and never stops."""
    with pytest.raises(
        ValueError, match=r"fit: monitor must be one of the validation metrics \['fit', 'loss'\]; got 'acc'"
    ):
        fit(KEY, HYPER, monitor="acc")


@pytest.mark.parametrize(
    "option",
    [{"patience": -1}, {"min_delta": -0.1}, {"mode": "auto"}, {"patience": nan}, {"warmup": -1}, {"last_batch": "x"}],
    ids=str,
)
def test_options_of_stopping_are_checked(option):
    with pytest.raises(ValueError, match=rf"{next(iter(option))} must be"):
        fit(KEY, HYPER, **option)


@pytest.mark.parametrize("data", [(), (jnp.ones((4, 3)), jnp.ones((5, 1))), jnp.ones((0, 3)), jnp.array(1.0)], ids=repr)
def test_training_data_without_one_length_are_refused(data):
    with pytest.raises(ValueError, match=r"^fit: train_data must hold arrays of one length, at least 1"):
        train.fit(step, evaluate, make_state(), KEY, data, VALID, HYPER, batch_size=2, epochs=1)


def test_legacy_keys_run_too():
    legacy = fit_with_patience(jax.random.key_data(KEY), HYPER, inf, 0.0)
    jax.tree.map(np.testing.assert_array_equal, legacy, fit_with_patience(KEY, HYPER, inf, 0.0))


def test_it_runs_where_jax_looks_for_nan():
    x = jnp.ones((4, 2))
    step = train.make_step(lambda p, s, k, b, h: (jnp.mean((b @ p) ** 2), (s, {})), optax.sgd(0.1))
    evaluate = train.make_eval(lambda p, s, b, h: {"loss": jnp.mean((b @ p) ** 2)})
    state = train.init_state(jnp.ones(2), optax.sgd(0.1))
    with jax.debug_nans(True):
        for patience in (None, 1):
            result = train.fit(step, evaluate, state, KEY, x, x, None, batch_size=2, epochs=2, patience=patience)
            assert int(result.best_epoch) == 1
        with pytest.raises(FloatingPointError):
            train.fit(step, evaluate, state, KEY, x * jnp.inf, x, None, batch_size=2, epochs=2)


# Epochs that are no pass.


def test_an_epoch_of_as_many_steps_as_a_pass_is_a_pass():
    jax.tree.map(np.testing.assert_array_equal, fit(KEY, HYPER, steps_per_epoch=NUM_STEPS), fit(KEY, HYPER))


@pytest.mark.parametrize("steps_per_epoch", [1, 2, 5, 8, 10, 13])
def test_epochs_of_any_length_go_through_pass_after_pass(steps_per_epoch):
    """Each pass shows every row once, in the order that it would have as an epoch."""

    def seen_loss(params, model_state, key, batch, hyper):
        (rows,) = batch
        place = model_state["taken"] * BATCH_SIZE
        shown = jax.lax.dynamic_update_slice(model_state["shown"], rows, (place,))
        return jnp.sum(params), ({"shown": shown, "taken": model_state["taken"] + 1}, {})

    def shown(epochs, **options):
        noted = {"shown": jnp.full(600, -1), "taken": 0}
        state = train.init_state(jnp.zeros(1), optax.sgd(0.0), noted)
        rows = (jnp.arange(NUM_EXAMPLES),)
        only = train.make_eval(lambda params, model_state, batch, hyper: {"loss": jnp.sum(params)})
        seen_step, options = train.make_step(seen_loss, optax.sgd(0.0)), {"batch_size": BATCH_SIZE, **options}
        result = train.fit(seen_step, only, state, KEY, rows, rows, None, epochs=epochs, **options)
        return np.array(result.last.model_state["shown"][: result.last.model_state["taken"] * BATCH_SIZE])

    found = shown(6, steps_per_epoch=steps_per_epoch)
    assert len(found) == 6 * steps_per_epoch * BATCH_SIZE
    np.testing.assert_array_equal(found, shown(16)[: len(found)])


def test_an_epoch_of_any_length_continues_bit_for_bit():
    options = {"steps_per_epoch": 3, "patience": inf}
    part = fit(KEY, HYPER, epochs=3, **options)
    rest = train.fit(step, evaluate, part, KEY, TRAIN, VALID, HYPER, batch_size=BATCH_SIZE, epochs=3, **options)
    jax.tree.map(np.testing.assert_array_equal, rest, fit(KEY, HYPER, epochs=6, **options))


def test_an_epoch_of_so_many_steps_takes_whole_batches():
    with pytest.raises(ValueError, match="fit: last_batch must be 'drop' where steps_per_epoch is given; got 'pad'"):
        fit(KEY, HYPER, steps_per_epoch=3, last_batch="pad")
    with pytest.raises(ValueError, match=r"fit: steps_per_epoch must be .*; got 0"):
        fit(KEY, HYPER, steps_per_epoch=0)


# Callbacks.


def test_callbacks_are_told_every_epoch():
    first, second = [], []
    result = jax.jit(lambda key: fit(key, HYPER, callback=[first.append, second.append]))(KEY)
    jax.effects_barrier()
    assert first == second
    assert [(event.kind, event.step, event.epoch) for event in first] == [
        ("epoch", NUM_STEPS * (epoch + 1), epoch) for epoch in range(EPOCHS)
    ]
    for epoch, event in enumerate(first):
        for name, values in result.valid_history.items():
            assert event.metrics[f"valid/{name}"] == float(values[epoch])
        loss = float(result.train_history["loss"][epoch])
        np.testing.assert_allclose(event.metrics["gap"], event.metrics["valid/loss"] - loss, rtol=1e-5)
        assert event.metrics["best"] == min(result.valid_history["loss"][: epoch + 1].tolist())
    with pytest.raises(TypeError, match="fit: callback must be a function"):
        fit(KEY, HYPER, callback=3)


def test_the_epoch_with_the_best_smoothed_value_is_kept():
    result = fit(KEY, HYPER, smoothing=0.7)
    means, past = [], 0.0
    for value in result.valid_history["loss"].tolist():
        past = 0.7 * past + 1.0
        means.append((value + (past - 1.0) * means[-1]) / past if means else value)
    assert int(result.best_epoch) == int(np.argmin(means))
    np.testing.assert_allclose(result.best_value, min(means), rtol=1e-5)
