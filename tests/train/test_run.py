"""The host loop: the same as a loop in Python, stopped anywhere and resumed bit for bit, whatever goes wrong."""

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


# Another state is validated.


def halved(state):
    return state._replace(params=jax.tree.map(lambda leaf: 0.5 * leaf, state.params), opt_state=())


def test_a_run_validates_and_keeps_another_state_where_asked():
    result, plain = run(validated=halved), run()
    assert_same(result.last, plain.last)
    values = [float(evaluate(halved(plain.last), batch, HYPER)["loss"]) for batch in VALID]
    np.testing.assert_allclose(
        result.valid_history["loss"][-1], np.average(values, weights=[len(batch[0]) for batch in VALID]), rtol=1e-5
    )
    assert result.best.opt_state == ()
    assert result.best_epoch == np.argmin(result.valid_history["loss"])
    assert_same(result.best, halved(run(epochs=result.best_epoch + 1).last))


def test_a_run_that_validates_another_state_resumes(tmp_path):
    run(validated=halved, checkpoints=train.Checkpoints(tmp_path), epochs=1)
    resumed = run(validated=halved, checkpoints=train.Checkpoints(tmp_path))
    whole = run(validated=halved)
    assert_same((resumed.best, resumed.last, resumed.valid_history), (whole.best, whole.last, whole.valid_history))


@pytest.mark.parametrize("warmup", [0, 1, 2])
def test_no_epoch_of_the_warmup_counts_against_the_patience(warmup):
    worsening = train.make_eval(lambda params, model_state, batch, hyper: {"loss": jnp.float32(0.0)})
    result = run(evaluate=worsening, patience=1, warmup=warmup, epochs=5)
    assert result.stopped_epoch == max(2, warmup + 1)


@pytest.mark.parametrize(("baseline", "stopped"), [(0.0, 2), (inf, EPOCHS)])
def test_an_epoch_that_does_not_beat_the_baseline_counts_against_the_patience(baseline, stopped, tmp_path):
    """As in Keras: it may be the best so far all the same."""
    checkpoints = train.Checkpoints(tmp_path)
    result = run(patience=2, baseline=baseline, checkpoints=checkpoints)
    assert result.stopped_epoch == stopped
    assert result.best_epoch == int(np.nanargmin(result.valid_history["loss"]))
    with pytest.raises(ValueError, match=rf"baseline: {baseline} before, None now"):
        run(patience=2, checkpoints=checkpoints)
    with pytest.raises(ValueError, match=r"^run: baseline must be .*; got nan"):
        run(baseline=nan)


def test_a_smoothed_value_decides_and_resumes(tmp_path):
    options = {"smoothing": 0.7, "mode": "max"}
    whole, checkpoints = run(**options), train.Checkpoints(tmp_path, mode="max")
    run(epochs=1, checkpoints=checkpoints, **options)
    assert_same(run(checkpoints=checkpoints, **options).best, whole.best)
    assert whole.best_value < whole.valid_history["loss"].max()
    with pytest.raises(ValueError, match=r"^run: smoothing must be in \[0, 1\); got 1"):
        run(smoothing=1.0)


def test_a_resumed_run_names_another_warmup(tmp_path):
    run(checkpoints=train.Checkpoints(tmp_path), epochs=1)
    with pytest.raises(ValueError, match=r"warmup: 0.0 before, 2.0 now"):
        run(checkpoints=train.Checkpoints(tmp_path), warmup=2)


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


def test_callbacks_in_a_list_hear_the_same_in_turn():
    heard, alone = [], []
    run(
        callback=[lambda event: heard.append(("first", event)), lambda event: heard.append(("second", event))], epochs=1
    )
    run(callback=(alone.append,), epochs=1)
    assert heard == [(name, event) for event in alone for name in ("first", "second")]
    assert_same(run(callback=[], epochs=1).last, run(epochs=1).last)


# What is refused.


def test_what_is_no_callback_or_returns_no_state_is_refused():
    with pytest.raises(
        TypeError, match=r"^run: callback must be a function \(event\) -> None, or a list of them; got 1"
    ):
        run(callback=[print, 1])
    with pytest.raises(TypeError, match=r"^run: validated must be a function \(state\) -> state; got 1"):
        run(validated=1)
    with pytest.raises(TypeError, match=r"^run: validated must return a TrainState.*; got"):
        run(validated=lambda state: state.params)
    with pytest.raises(ValueError, match=r"^run: warmup must be at least 0; got -1"):
        run(warmup=-1)


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
