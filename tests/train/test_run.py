"""The host loop: the same as a loop in Python, stopped anywhere and resumed bit for bit, whatever goes wrong."""

import os
import signal
from math import inf, nan

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jreg import augment, noise, norm, random, train

KEY = jax.random.key(7)
NUM_STEPS, BATCH_SIZE, EPOCHS = 4, 8, 3
HYPER = {"rate": 0.25, "learning_rate": 0.1}


def rows(seed, num_batches, size=BATCH_SIZE):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(num_batches, size, 3)).astype("float32")
    y = x @ np.float32([[1.0], [-2.0], [0.5]]) + 0.1 * generator.normal(size=(num_batches, size, 1)).astype("float32")
    return list(zip(x, y, strict=True))


def shuffled(epoch):
    """Every epoch has an order of its own."""
    order = np.random.default_rng(epoch).permutation(NUM_STEPS)
    return [rows(0, NUM_STEPS)[index] for index in order]


VALID = [*rows(1, 2), *rows(2, 1, size=3)]


def loss_fn(params, model_state, key, batch, hyper):
    x, model_state = norm.batch_norm(params["norm"], model_state, batch[0], decay=0.9)
    error = noise.dropout(key, x, hyper["rate"]) @ params["kernel"] - batch[1]
    return jnp.mean(error**2), (model_state, {"error": jnp.mean(jnp.abs(error))})


def metric_fn(params, model_state, batch, hyper):
    x = norm.batch_norm_inference(params["norm"], model_state, batch[0])
    return {"loss": jnp.mean((x @ params["kernel"] - batch[1]) ** 2)}


def make_optimizer(hyper):
    return optax.sgd(hyper["learning_rate"], momentum=0.5)


step, evaluate = train.make_step(loss_fn, make_optimizer), train.make_eval(metric_fn)


def make_state():
    norm_params, stats = norm.init_batch_norm(3)
    params = {"norm": norm_params, "kernel": jnp.zeros((3, 1))}
    return train.init_state(params, make_optimizer(HYPER), stats)


@pytest.fixture(autouse=True)
def _ranks():
    with jax.numpy_rank_promotion("allow"):
        yield


def run(**changes):
    given = {"key": KEY, "train_batches": shuffled, "valid_batches": VALID, "hyper": HYPER, "state": make_state()}
    given |= {"epochs": EPOCHS, "progress": False, "step": step, "evaluate": evaluate} | changes
    return train.run(**given)


def assert_same(a, b):
    """Bit for bit: NaN equals NaN."""
    jax.tree.map(np.testing.assert_array_equal, a, b)


# What a run is.


def python_loop():
    run_step, run_evaluate, state, taken = jax.jit(step), jax.jit(evaluate), make_state(), 0
    states, train_losses, valid_losses = [], [], []
    for epoch in range(EPOCHS):
        losses = []
        for batch in shuffled(epoch):
            state, metrics = run_step(state, random.fold_in(KEY, taken), batch, HYPER)
            losses.append(float(metrics["loss"]))
            taken += 1
        states.append(state)
        train_losses.append(np.mean(losses))
        values = [float(run_evaluate(state, batch, HYPER)["loss"]) for batch in VALID]
        valid_losses.append(np.average(values, weights=[len(batch[0]) for batch in VALID]))
    return states, train_losses, valid_losses


def test_a_run_is_a_loop_in_python():
    states, train_losses, valid_losses = python_loop()
    result = run()
    best = int(np.argmin(valid_losses))
    np.testing.assert_allclose(result.train_history["loss"], train_losses, rtol=1e-5)
    np.testing.assert_allclose(result.valid_history["loss"], valid_losses, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), result.last, states[-1])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), result.best, states[best])
    assert (result.best_epoch, result.stopped_epoch, result.status) == (best, EPOCHS, "finished")
    assert int(result.last.step) == EPOCHS * NUM_STEPS
    assert result.best_value == result.valid_history["loss"][best]


def test_the_given_state_stays_usable_and_may_hold_one_array_twice():  # google/jax#2936
    def twice_loss(params, model_state, key, batch, hyper):
        return jnp.mean((batch[0] @ params["w"] - batch[1]) ** 2), (params["average"], {})

    shared = jnp.zeros((3, 1))
    optimizer = optax.sgd(0.1)
    state = train.init_state({"w": shared, "average": shared}, optimizer, shared)
    other = train.make_eval(lambda params, _, batch, hyper: {"loss": jnp.mean(params["w"])})
    before = jax.tree.map(np.array, state)
    for _ in range(2):
        result = run(step=train.make_step(twice_loss, optimizer), evaluate=other, state=state, epochs=1)
        assert (result.last.params["w"] != 0).any()
    assert_same(state, before)


def test_it_runs_where_nans_are_searched_for():  # google/jax#12514: donation
    with jax.debug_nans(True):
        assert_same(run(epochs=1).last, run(epochs=1).last)


def test_one_compilation_serves_all_runs_also_on_a_mesh():
    traces = 0

    def counted(*args):
        nonlocal traces
        traces += 1
        return loss_fn(*args)

    mesh = Mesh(np.array(jax.devices()), ("data",))
    state = jax.device_put(make_state(), NamedSharding(mesh, PartitionSpec()))
    options = {"step": train.make_step(counted, make_optimizer), "valid_batches": VALID[:2]}
    options |= {"state": state, "sharding": NamedSharding(mesh, PartitionSpec("data")), "epochs": 2}
    first = run(**options)
    seen = traces
    second = run(**options, hyper={**HYPER, "rate": 0.5})
    assert seen <= 2
    assert traces == seen
    assert first.last.params["kernel"].sharding.is_equivalent_to(NamedSharding(mesh, PartitionSpec()), 2)
    assert (first.last.params["kernel"] != second.last.params["kernel"]).any()


def test_early_stopping_stops_and_gives_the_best_back():
    result = run(epochs=12, patience=2)
    losses = result.valid_history["loss"]
    assert result.status == "stopped early"
    assert result.stopped_epoch == result.best_epoch + 3 < 12
    assert result.best_epoch == np.nanargmin(losses)
    assert np.isnan(losses[result.stopped_epoch :]).all()
    assert len(losses) == 12


# Batches.


class Loader:
    """Begins anew each time that it is iterated, and has no length."""

    def __iter__(self):
        return iter(shuffled(0))


class Tensor:
    """No array, but reads as one, as the tensors of torch and tensorflow do."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_every_kind_of_iterable_gives_batches():
    expected = run(train_batches=shuffled(0))
    tensors = [[Tensor(part) for part in batch] for batch in shuffled(0)]
    for batches in (Loader(), tuple(shuffled(0)), lambda epoch: iter(shuffled(0)), tensors):
        assert_same(run(train_batches=batches).last, expected.last)


def test_a_loader_may_use_its_memory_again():
    x, y = (part.copy() for part in shuffled(0)[0])

    def reusing(epoch):
        for batch in shuffled(epoch):
            x[:], y[:] = batch
            yield x, y

    assert_same(run(train_batches=reusing).last, run().last)


def endless():
    while True:
        yield from shuffled(0)


def test_an_endless_iterator_serves_all_epochs():
    result = run(train_batches=endless(), steps_per_epoch=NUM_STEPS)
    assert_same(result, run(train_batches=shuffled(0)))
    assert int(run(train_batches=endless(), steps_per_epoch=3, epochs=2).last.step) == 6


def test_a_generator_serves_one_epoch_alone():
    assert run(train_batches=iter(shuffled(0)), epochs=1).stopped_epoch == 1
    with pytest.raises(ValueError, match=r"run: train_batches must yield at least one batch .* epoch 1 .* 0 steps per"):
        run(train_batches=iter(shuffled(0)))
    with pytest.raises(ValueError, match=r"run: valid_batches must yield at least one batch; in epoch 1"):
        run(valid_batches=iter(VALID))


@pytest.mark.parametrize("name", ["train_batches", "valid_batches"])
def test_no_batches_and_no_examples_are_refused(name):
    for batches in ([], [VALID[0], tuple(part[:0] for part in VALID[0])]):
        with pytest.raises(ValueError, match=f"^run: {name} must"):
            run(**{name: batches})
    with pytest.raises(TypeError, match=r"^run: batches must be an iterable or a function of the epoch; got int"):
        run(**{name: 3})


@pytest.mark.parametrize("name", ["train_batches", "valid_batches"])
def test_leaves_of_several_lengths_are_refused(name):
    x, y = VALID[0]
    for batch in ((x, y[:3]), (x[:3], y), (x[:, :1].repeat(3, 1), y[:1])):
        with pytest.raises(ValueError, match=rf"^run: {name} must have as many examples in every leaf .*got \(\("):
            run(**{name: [batch]})


def test_the_weight_of_a_validation_batch_is_no_matter_of_the_order_of_its_leaves():
    def measured(name):
        batches = [{name: np.float32(2.0), "x": np.full((size, 1), size, np.float32)} for size in (1, 3)]
        measure = train.make_eval(lambda params, _, batch, hyper: {"loss": jnp.mean(batch["x"]) * batch[name]})
        return run(valid_batches=batches, evaluate=measure, epochs=1).best_value

    assert measured("a") == measured("z") == 5.0


# Resume.


class StoppedError(BaseException):
    """Ends a run in the middle of its work, past every handler of errors, as a kill does."""


def stopping_at(count):
    def callback(event):
        if event.kind == "step" and event.step == count:
            raise StoppedError

    return callback


def signalling_at(count):
    def callback(event):
        if event.kind == "step" and event.step == count:
            os.kill(os.getpid(), signal.SIGTERM)

    return callback


def signalled_at(count, signum=signal.SIGTERM):
    """The batches of each epoch, with a signal when batch `count` of the run is fetched."""

    def batches(epoch):
        for position, batch in enumerate(shuffled(epoch)):
            if epoch * NUM_STEPS + position == count:
                os.kill(os.getpid(), signum)
            yield batch

    return batches


def test_stopped_at_any_step_and_resumed_every_number_is_that_of_the_unbroken_run(tmp_path):
    """Lightning#1182, #850, transformers#46628, keras#17012: order, keys, counts or the best so far were lost."""
    unbroken = run(checkpoints=train.Checkpoints(tmp_path / "unbroken"), patience=5, log_every=1)
    ways = [{"log_every": 1, "callback": signalling_at(count)} for count in range(1, EPOCHS * NUM_STEPS)]
    ways += [{"train_batches": signalled_at(epoch * NUM_STEPS)} for epoch in range(EPOCHS)]
    saved_at = []
    for number, way in enumerate(ways):
        checkpoints = train.Checkpoints(tmp_path / str(number))
        with pytest.raises(train.Interrupted) as stopped:
            run(checkpoints=checkpoints, patience=5, **way)
        saved_at.append(checkpoints.latest_step)
        assert int(stopped.value.result.last.step) == checkpoints.latest_step
        resumed = run(checkpoints=train.Checkpoints(tmp_path / str(number)), patience=5)
        assert_same(resumed, unbroken)
        assert int(resumed.last.step) == EPOCHS * NUM_STEPS
    assert set(saved_at) == set(range(1, EPOCHS * NUM_STEPS + 1))


def test_after_a_crash_it_goes_on_from_the_last_save(tmp_path):
    unbroken = run()
    checkpoints = train.Checkpoints(tmp_path)
    with pytest.raises(StoppedError):
        run(checkpoints=checkpoints, save_every=3, log_every=1, callback=stopping_at(8))
    assert checkpoints.latest_step == 6
    taken = []
    assert_same(run(checkpoints=checkpoints, log_every=1, callback=lambda e: taken.append(e.step)), unbroken)
    assert taken[0] == 7


def test_a_stream_goes_on_where_it_was(tmp_path):
    unbroken = run(train_batches=endless(), steps_per_epoch=3)
    with pytest.raises(StoppedError):
        run(
            train_batches=endless(), steps_per_epoch=3, checkpoints=train.Checkpoints(tmp_path), save_every=1,
            log_every=1, callback=stopping_at(5),
        )  # fmt: skip
    resumed = run(train_batches=endless(), steps_per_epoch=3, checkpoints=train.Checkpoints(tmp_path))
    assert_same(resumed, unbroken)


def test_a_finished_run_is_not_run_again_and_may_be_prolonged(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    finished = run(checkpoints=checkpoints, epochs=2)
    assert_same(run(checkpoints=checkpoints, epochs=2, train_batches=[])[:-1], finished[:-1])
    assert_same(run(checkpoints=checkpoints), run())
    stopped = {"epochs": 12, "patience": 2}
    stopped["checkpoints"] = train.Checkpoints(tmp_path / "stopped")
    assert run(**stopped).status == run(**stopped).status == "stopped early"


def test_the_checkpoints_hold_the_best_and_the_latest(tmp_path):
    checkpoints = train.Checkpoints(tmp_path, keep=1)
    result = run(checkpoints=checkpoints, epochs=6)
    assert checkpoints.latest_step == 6 * NUM_STEPS
    assert checkpoints.best_step == (result.best_epoch + 1) * NUM_STEPS
    best = checkpoints.restore(make_state(), checkpoints.best_step, at="state")
    assert_same(best, result.best)
    assert_same(checkpoints.restore(make_state().params, at="best/best_params/params"), result.best.params)


def test_a_resume_with_another_key_model_or_fewer_batches_is_refused(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    with pytest.raises(train.Interrupted):
        run(checkpoints=checkpoints, train_batches=signalled_at(4))
    with pytest.raises(ValueError, match=r"^run: key must be the one that the run in `checkpoints` began with"):
        run(checkpoints=checkpoints, key=jax.random.key(8))
    state = make_state()
    with pytest.raises(ValueError, match="only in the template: state/opt_state/1/extra"):
        run(checkpoints=checkpoints, state=state._replace(opt_state=(*state.opt_state[:1], {"extra": jnp.ones(1)})))
    with pytest.raises(ValueError, match=r"train_batches must give what they gave before the resume, 1; got 0"):
        run(checkpoints=checkpoints, train_batches=lambda epoch: shuffled(epoch)[:0])


def test_a_run_moves_to_another_number_of_devices(tmp_path):
    mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
    checkpoints = train.Checkpoints(tmp_path)
    spread = {"sharding": NamedSharding(mesh, PartitionSpec("data")), "valid_batches": VALID[:2]}
    spread["state"] = jax.device_put(make_state(), NamedSharding(mesh, PartitionSpec()))
    run(checkpoints=checkpoints, epochs=1, **spread)
    moved, whole = run(checkpoints=checkpoints, valid_batches=VALID[:2]), run(valid_batches=VALID[:2])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), moved.last, whole.last)
    assert not moved.last.params["kernel"].committed


def test_a_damaged_newest_checkpoint_costs_its_steps_and_no_more(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    unbroken = run(checkpoints=checkpoints)
    (tmp_path / f"step_{EPOCHS * NUM_STEPS:08d}" / "manifest.json").unlink()
    with pytest.warns(UserWarning, match=r"took step 8, since later ones are damaged"):
        assert_same(run(checkpoints=train.Checkpoints(tmp_path)), unbroken)
    assert train.Checkpoints(tmp_path).latest_step == EPOCHS * NUM_STEPS


def test_legacy_keys_and_keys_of_the_hash_resume_too(tmp_path):
    for name, key in {"legacy": jax.random.key_data(KEY), "hash": jax.random.key(1, impl=random.hash_prng)}.items():
        checkpoints = train.Checkpoints(tmp_path / name)
        run(key=key, checkpoints=checkpoints, epochs=1)
        assert_same(run(key=key, checkpoints=checkpoints, epochs=2), run(key=key, epochs=2))


# Numbers that are not finite.


def poisoned(at, value=nan):
    def batches(epoch):
        for position, (x, y) in enumerate(shuffled(epoch)):
            yield (x, y * np.float32(value)) if epoch * NUM_STEPS + position in at else (x, y)

    return batches


def test_raise_names_the_step_and_nothing_bad_is_saved(tmp_path):
    for log_every in (1, 10):
        checkpoints = train.Checkpoints(tmp_path / str(log_every))
        with pytest.raises(FloatingPointError, match=r"run: the loss, .* must be finite; step 6 \(counted from 0"):
            run(checkpoints=checkpoints, train_batches=poisoned({6}), save_every=1, log_every=log_every)
        assert checkpoints.latest_step == 6
        assert jnp.isfinite(checkpoints.restore(make_state(), at="state").params["kernel"]).all()


def test_a_skipped_step_leaves_everything_as_it_was():  # optax#1746: statistics took the NaN in
    def without(epoch):
        return [batch for position, batch in enumerate(shuffled(epoch)) if epoch * NUM_STEPS + position != 6]

    still = {"hyper": {**HYPER, "rate": 0.0}}
    skipped = run(train_batches=poisoned({6}), non_finite="skip", **still)
    assert_same(skipped[:-2], run(train_batches=without, non_finite="skip", **still)[:-2])
    assert (skipped.num_skipped, int(skipped.last.step)) == (1, EPOCHS * NUM_STEPS - 1)


def test_every_step_may_be_skipped_and_resume_is_exact(tmp_path):
    options = {"train_batches": poisoned({1, 4, 5, 6, 7}), "non_finite": "skip", "log_every": 1}
    whole = run(**options)
    assert np.isnan(whole.train_history["loss"]).tolist() == [False, True, False]
    assert whole.num_skipped == 5
    with pytest.raises(StoppedError):
        run(**options, checkpoints=train.Checkpoints(tmp_path), save_every=1, callback=stopping_at(3))
    assert_same(run(**options, checkpoints=train.Checkpoints(tmp_path)), whole)


def test_the_step_after_a_skipped_one_draws_by_the_batches_taken():
    """A key by the updates made would draw the noise of the skipped step again."""
    run_step, state = jax.jit(step), make_state()
    for epoch in range(2):
        for position, batch in enumerate(shuffled(epoch)):
            taken = epoch * NUM_STEPS + position
            if taken != 2:
                state, _ = run_step(state, random.fold_in(KEY, taken), batch, HYPER)
    skipped = run(train_batches=poisoned({2}), non_finite="skip", epochs=2)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), skipped.last, state)


def test_a_run_whose_last_epoch_skipped_every_step_has_diverged(tmp_path):
    every = {"non_finite": "skip", "train_batches": poisoned(range(100))}
    result = run(**every, checkpoints=train.Checkpoints(tmp_path))
    assert (result.status, result.num_skipped, int(result.last.step)) == ("diverged", EPOCHS * NUM_STEPS, 0)
    assert run(**every, checkpoints=train.Checkpoints(tmp_path)).status == "diverged"
    assert run(non_finite="skip", train_batches=poisoned({8, 9, 10, 11})).status == "diverged"
    assert run(non_finite="skip", train_batches=poisoned({4, 5, 6, 7})).status == "finished"


def test_stop_gives_the_last_good_state(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    result = run(train_batches=poisoned({6}), non_finite="stop", checkpoints=checkpoints)
    assert result.status == "diverged"
    assert (int(result.last.step), result.stopped_epoch, checkpoints.latest_step) == (6, 1, 4)
    up_to_6 = run(train_batches=lambda epoch: shuffled(epoch)[: 4 - 2 * epoch], epochs=2, non_finite="stop")
    assert_same(result.last, up_to_6.last)


def test_an_infinite_gradient_of_a_finite_loss_is_noticed():
    def root_loss(params, model_state, key, batch, hyper):
        return jnp.sqrt(jnp.sum(params**2)), (model_state, {})

    options = {
        "step": train.make_step(root_loss, optax.sgd(0.1)),
        "state": train.init_state(jnp.zeros(2), optax.sgd(0.1)),
    }
    options["evaluate"] = train.make_eval(lambda params, _, batch, hyper: {"loss": jnp.sum(params)})
    with pytest.raises(FloatingPointError, match="step 0 "):
        run(**options)
    assert run(**options, non_finite="skip", epochs=1).num_skipped == NUM_STEPS


def test_nan_is_never_best():
    values = iter([nan, 3.0, nan, 2.5, 2.75])
    judged = {"valid_batches": lambda epoch: [(np.ones((1, 1), np.float32), np.float32([[next(values)]]))]}
    measure = train.make_eval(lambda params, model_state, batch, hyper: {"loss": jnp.sum(batch[1])})
    result = run(evaluate=measure, epochs=5, **judged)
    assert (result.best_epoch, result.best_value) == (3, 2.5)


# What it tells.


def test_callbacks_hear_of_steps_and_epochs_in_order():
    events = []
    result = run(log_every=2, callback=events.append, epochs=2)
    assert [(event.kind, event.step, event.epoch) for event in events] == [
        ("step", 2, 0), ("step", 4, 0), ("epoch", 4, 0), ("step", 6, 1), ("step", 8, 1), ("epoch", 8, 1)
    ]  # fmt: skip
    assert set(events[0].metrics) == {"step/loss", "step/error"}
    assert set(events[2].metrics) == {"train/loss", "train/error", "valid/loss", "gap", "best"}
    last = events[-1].metrics
    assert last["valid/loss"] == result.valid_history["loss"][1]
    assert last["gap"] == last["valid/loss"] - last["train/loss"]
    assert last["best"] == result.best_value


# What is refused.


def test_an_unknown_monitor_is_refused():
    with pytest.raises(ValueError, match=r"run: monitor must be one of the validation metrics \['loss'\]; got 'acc'"):
        run(monitor="acc")


@pytest.mark.parametrize(
    "option",
    [
        {"epochs": 0}, {"epochs": 2.0}, {"patience": -1}, {"patience": nan}, {"min_delta": -inf}, {"mode": "auto"},
        {"non_finite": "ignore"}, {"save_every": 0}, {"log_every": 0}, {"steps_per_epoch": 0}, {"key": None},
        {"key": 0}, {"patience": "3"}, {"resume": "maybe"}, {"resume": None}, {"grace": -1.0}, {"grace": None},
        {"stall_timeout": 0.0}, {"stall_timeout": inf}, {"stall_timeout": "1"},
    ],
    ids=str,
)  # fmt: skip
def test_bad_options_are_refused(option):
    with pytest.raises((ValueError, TypeError), match=rf"^run: {next(iter(option))} must be"):
        run(**option)


def test_checkpoints_that_monitor_something_else_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^run: checkpoints must have monitor='loss' and mode='min' too; got Check"):
        run(checkpoints=train.Checkpoints(tmp_path, monitor="accuracy", mode="max"))


# Augmentation on the way to the device.


def test_a_pipeline_of_augmentation_draws_anew_in_every_epoch_and_the_same_after_a_resume(tmp_path):  # torch#5059
    transform = jax.jit(augment.chain(lambda key, batch: (noise.gaussian_noise(key, batch[0], 0.5), batch[1])))
    augment_key, drawn = jax.random.key(11), {}

    def augmented(epoch):
        epoch_key = random.fold_in(augment_key, epoch)
        for index, batch in enumerate(rows(0, NUM_STEPS)):
            batch = transform(random.fold_in(epoch_key, index), batch)
            drawn.setdefault((epoch, index), []).append(np.asarray(batch[0]))
            yield batch

    whole = run(train_batches=augmented)
    assert (drawn[0, 0][0] != drawn[1, 0][0]).all()
    run(train_batches=augmented, epochs=1, checkpoints=train.Checkpoints(tmp_path))
    resumed = run(train_batches=augmented, checkpoints=train.Checkpoints(tmp_path))
    assert_same(resumed.last, whole.last)
    for batches in drawn.values():
        assert_same(batches, [batches[0]] * len(batches))
