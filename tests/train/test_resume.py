"""Resume: stopped anywhere, bit for bit the unbroken run; with other settings, an error that names what changed."""

import os
import signal
import time
from functools import cache
from math import inf

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jreg import random, train

from .test_run import EPOCHS, HYPER, KEY, NUM_STEPS, VALID, assert_same, endless, loss_fn, make_state, run, shuffled


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


# Settings.


@pytest.fixture
def begun(tmp_path):
    """A run that left in its second epoch, after 6 steps."""
    checkpoints = train.Checkpoints(tmp_path)
    with pytest.raises(train.Interrupted):
        run(checkpoints=checkpoints, log_every=1, callback=signalling_at(5))
    assert checkpoints.latest_step == 6
    return checkpoints


CHANGED = {
    "a rate": ({"hyper": {**HYPER, "rate": 0.5}}, "hyper/rate: float32 0.25 before, float32 0.5 now"),
    "a learning rate": ({"hyper": {**HYPER, "learning_rate": 0.2}}, "hyper/learning_rate: float32 0.1 before, "),
    "another number": ({"hyper": {**HYPER, "more": 1}}, "hyper/more: absent before, int32 1 now"),
    "a dtype": ({"hyper": {**HYPER, "rate": jnp.float16(0.25)}}, "hyper/rate: float32 0.25 before, float16 0.25 now"),
    "patience": ({"patience": 9}, "patience: inf before, 9.0 now"),
    "min_delta": ({"min_delta": 0.5}, "min_delta: 0.0 before, 0.5 now"),
    "non_finite": ({"non_finite": "skip"}, "non_finite: raise before, skip now"),
    "steps_per_epoch": ({"steps_per_epoch": 3}, "steps_per_epoch: None before, 3 now"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_changed_settings_are_named_with_both_values(begun, name):
    options, message = CHANGED[name]
    with pytest.raises(
        ValueError, match=r"^run: the settings must be those that the run in .* has, or resume"
    ) as raised:
        run(checkpoints=begun, **options)
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 2
    assert run(checkpoints=begun, resume="anyway", **options).status == "finished"


def test_the_same_numbers_in_another_form_are_the_same_settings(begun):
    hyper = {"learning_rate": np.float32(0.1), "rate": jnp.float32(0.25)}
    assert_same(run(checkpoints=begun, hyper=hyper), run())


def test_another_optimizer_is_named_even_where_its_state_has_the_same_leaves(begun):
    """Clipping has no numbers of its own, so the template fits."""

    def clipped(hyper):
        return optax.chain(optax.sgd(hyper["learning_rate"], momentum=0.5), optax.clip(1.0))

    state = train.init_state(make_state().params, clipped(HYPER), make_state().model_state)
    options = {"step": train.make_step(loss_fn, clipped), "state": state}
    with pytest.raises(ValueError, match=r"only in the template|opt_state: PyTreeDef.* before, PyTreeDef"):
        run(checkpoints=begun, **options)


def test_a_stateless_change_of_the_optimizer_is_named(tmp_path):
    def plain_loss(params, model_state, key, batch, hyper):
        return jnp.mean((batch[0] @ params - batch[1]) ** 2), (model_state, {})

    def options(optimizer):
        params = jnp.zeros((3, 1))
        evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": plain_loss(params, (), 0, batch, hyper)[0]})
        given = {"step": train.make_step(plain_loss, optimizer), "state": train.init_state(params, optimizer)}
        return given | {"evaluate": evaluate, "checkpoints": train.Checkpoints(tmp_path), "epochs": 1}

    run(**options(optax.sgd(0.1)))
    with pytest.raises(ValueError, match=r"opt_state: PyTreeDef\(.*before, PyTreeDef\(.*ClipState|EmptyState.* now"):
        run(**options(optax.chain(optax.clip(1.0), optax.sgd(0.1))))


def test_fewer_epochs_than_were_begun_are_refused_and_more_are_fine(begun):
    with pytest.raises(ValueError, match=r"^run: epochs must be at least 2, which the run .* has begun already; got 1"):
        run(checkpoints=begun, epochs=1)
    assert_same(run(checkpoints=begun, epochs=5), run(epochs=5))
    with pytest.raises(ValueError, match=r"^run: epochs must be at least 5, .*; got 4"):
        run(checkpoints=begun, epochs=4)
    meant = run(checkpoints=begun, epochs=4, resume="anyway")
    assert (meant.stopped_epoch, meant.status, len(meant.valid_history["loss"])) == (5, "finished", 5)


def test_fewer_steps_per_epoch_than_the_epoch_has_seen_are_refused(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    options = {"train_batches": shuffled, "steps_per_epoch": NUM_STEPS, "checkpoints": checkpoints}
    with pytest.raises(train.Interrupted):
        run(**options, log_every=1, callback=signalling_at(6))
    for resume in ("same", "anyway"):
        message = r"^run: steps_per_epoch must be at least 3, the steps of epoch 1 \(counted from 0\) .*; got 2"
        with pytest.raises(ValueError, match=message):
            run(**options | {"steps_per_epoch": 2}, resume=resume)
    result = run(**options | {"steps_per_epoch": 3}, resume="anyway")
    assert int(result.last.step) == 4 + 3 + 3


def test_a_stream_with_other_epochs_goes_on_after_what_was_taken(tmp_path):
    seen = []

    def counted():
        for number, batch in enumerate(endless()):
            seen.append(number)
            yield batch

    options = {"checkpoints": train.Checkpoints(tmp_path), "epochs": 2}
    run(train_batches=counted(), steps_per_epoch=3, **options)
    seen.clear()
    result = run(train_batches=counted(), steps_per_epoch=4, resume="anyway", **options | {"epochs": 3})
    assert int(result.last.step) == 10
    assert max(seen) == 9


def test_more_patience_judges_a_stopped_run_anew_if_it_is_meant(tmp_path):
    options = {"epochs": 12, "checkpoints": train.Checkpoints(tmp_path)}
    assert run(patience=1, **options).status == "stopped early"
    with pytest.raises(ValueError, match=r"patience: 1.0 before, inf now"):
        run(**options)
    assert_same(run(resume="anyway", **options).last, run(epochs=12).last)


def test_checkpoints_of_something_else_are_refused(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    run(checkpoints=checkpoints, epochs=1)
    template = train.init_stopping(make_state())
    state = {"state": make_state(), "best": template, "key": KEY}
    checkpoints.save(state, 9, {}, notes={"run": {"epoch": 1}, "settings": {}})
    with pytest.raises(ValueError, match=r"^run: checkpoints must be those of a run; step 9 in .* was saved otherwise"):
        run(checkpoints=checkpoints)


def test_the_settings_and_their_digest_are_in_the_notes(begun):
    like = {"state": make_state(), "best": train.init_stopping(make_state()), "key": KEY}
    notes = begun.load(like).notes
    assert notes["settings"]["hyper/rate"] == "float32 0.25"
    assert notes["settings"]["epochs"] == str(EPOCHS)
    assert notes["settings"]["opt_state/0/trace/kernel"] == "float32[3, 1]"
    assert len(notes["digest"]) == 64


def test_it_says_in_a_line_where_it_goes_on_and_where_it_leaves(tmp_path, capsys):
    options = {"checkpoints": train.Checkpoints(tmp_path), "progress": True, "log_every": 1}
    with pytest.raises(train.Interrupted):
        run(**options, callback=signalling_at(5))
    assert capsys.readouterr().out.splitlines()[-1] == "asked to stop by SIGTERM, saved at step 6, epoch 2"
    run(**options)
    assert capsys.readouterr().out.splitlines()[0] == "resumed at step 6, epoch 2"
    with pytest.raises(train.Interrupted):
        run(progress=True, log_every=1, callback=signalling_at(5))
    assert capsys.readouterr().out.splitlines()[-1] == "asked to stop by SIGTERM, not saved at step 6, epoch 2"


# Exceptions of what the user wrote.


def failing_at(count):
    def batches(epoch):
        for position, batch in enumerate(shuffled(epoch)):
            if epoch * NUM_STEPS + position == count:
                raise RuntimeError("no more data")
            yield batch

    return batches


def calling_at(kind, step):
    def callback(event):
        if (event.kind, event.step) == (kind, step):
            raise RuntimeError("no more room")

    return callback


def failing_validation(epoch):
    yield VALID[0]
    if epoch == 1:
        raise RuntimeError("no more data")
    yield from VALID[1:]


FAILING = {
    **{f"the loader before batch {count}": {"train_batches": failing_at(count)} for count in range(1, 12)},
    **{f"the callback at step {step}": {"callback": calling_at("step", step)} for step in range(1, 13)},
    **{f"the callback at epoch {epoch}": {"callback": calling_at("epoch", 4 * epoch)} for epoch in (1, 2, 3)},
    "the validation": {"valid_batches": failing_validation},
}


@cache
def unbroken():
    return run(patience=5)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", FAILING)
def test_an_exception_saves_what_is_good_and_goes_on(tmp_path, name):
    checkpoints = train.Checkpoints(tmp_path)
    with pytest.raises(RuntimeError, match=r"no more (data|room)"):
        run(checkpoints=checkpoints, patience=5, log_every=1, **FAILING[name])
    events = []
    assert_same(run(checkpoints=checkpoints, patience=5, log_every=1, callback=events.append), unbroken())
    if "epoch" in name:
        assert checkpoints.best_step is not None
    if "batch" in name:
        # The two batches ahead of the loader's failure are on the device and not taken.
        assert min((event.step for event in events), default=12) >= int(name.split()[-1]) - 2


def test_an_exception_after_a_bad_step_does_not_save_it(tmp_path):
    def batches(epoch):
        for position, (x, y) in enumerate(shuffled(epoch)):
            if position == 3:
                raise RuntimeError("no more data")
            yield x, y * np.float32(inf if position == 0 else 1.0)

    checkpoints = train.Checkpoints(tmp_path)
    with pytest.raises(RuntimeError, match="no more data"):
        run(checkpoints=checkpoints, train_batches=batches)
    assert checkpoints.latest_step is None


def test_an_exception_of_the_step_itself_goes_on_as_it_is(tmp_path):
    def broken(state, key, batch, hyper):
        raise RuntimeError("no such layer")

    with pytest.raises(RuntimeError, match="no such layer"):
        run(step=broken, checkpoints=train.Checkpoints(tmp_path))


def test_a_full_disk_is_noted_on_the_exception(tmp_path, monkeypatch):
    checkpoints = train.Checkpoints(tmp_path)

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    def callback(event):
        monkeypatch.setattr(train.Checkpoints, "save", full)
        raise RuntimeError("no more room")

    with pytest.raises(RuntimeError, match="no more room") as raised:
        run(checkpoints=checkpoints, callback=callback, log_every=1)
    assert "No space left" in raised.value.__notes__[0]


# A loader that hangs.


@pytest.fixture
def _interactive():
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def hanging(signums, at):
    """Batches of which one never comes: signals arrive while it is waited for."""

    def batches(epoch):
        for position, batch in enumerate(shuffled(epoch)):
            if epoch * NUM_STEPS + position == at:
                for signum in signums:
                    os.kill(os.getpid(), signum)
                    time.sleep(0)
                while True:
                    time.sleep(60)
            yield batch

    return batches


@pytest.mark.usefixtures("_interactive")
@pytest.mark.parametrize(
    ("signums", "status"),
    [((signal.SIGINT, signal.SIGINT), 130), ((signal.SIGTERM, signal.SIGINT), 143), ((signal.SIGTERM,), 143)],
    ids=["two Ctrl-C", "SIGTERM and Ctrl-C", "SIGTERM and its grace"],
)
@pytest.mark.parametrize("where", ["train_batches", "valid_batches"])
def test_a_loader_that_hangs_is_left_and_the_run_saved(tmp_path, signums, status, where):
    checkpoints, heard = train.Checkpoints(tmp_path), []
    former = signal.signal(signal.SIGTERM, lambda signum, frame: heard.append(signum))
    try:
        batches = hanging(signums, at=6) if where == "train_batches" else lambda epoch: hanging(signums, at=4)(epoch)
        with pytest.raises(train.Interrupted) as left:
            run(checkpoints=checkpoints, grace=0.2, **{where: batches})
    finally:
        signal.signal(signal.SIGTERM, former)
    assert left.value.code == status
    # A handler of the caller hears what came from outside, and the nudge of the grace is none of that.
    assert heard == [signum for signum in signums if signum == signal.SIGTERM]
    assert int(left.value.result.last.step) == checkpoints.latest_step >= 4
    assert_same(run(checkpoints=checkpoints).last, run().last)


@pytest.mark.usefixtures("_interactive")
def test_a_request_within_the_grace_waits_for_the_batch(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    with pytest.raises(train.Interrupted):
        run(checkpoints=checkpoints, train_batches=signalled_at(6), grace=600.0)
    assert_same(run(checkpoints=checkpoints), run())


# Loaders that know where they are.


class Placed:
    """The batches of an epoch with the protocol of grain's iterators; it counts what it is asked for."""

    def __init__(self, epoch, asked, as_bytes):
        self.batches, self.place, self.epoch, self.asked, self.as_bytes = shuffled(epoch), 0, epoch, asked, as_bytes

    def __iter__(self):
        return self

    def __next__(self):
        if self.place == len(self.batches):
            raise StopIteration
        self.place += 1
        self.asked.append((self.epoch, self.place - 1))
        return self.batches[self.place - 1]

    def get_state(self):
        return bytes([self.place]) if self.as_bytes else {"place": self.place}

    def set_state(self, state):
        self.place = state[0] if self.as_bytes else state["place"]


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_loader_with_a_state_of_its_own_goes_on_in_the_middle_of_an_epoch_without_a_replay(tmp_path, as_bytes):
    asked = []
    options = {"train_batches": lambda epoch: Placed(epoch, asked, as_bytes)}
    unbroken = run()
    checkpoints = train.Checkpoints(tmp_path)
    with pytest.raises(train.Interrupted):
        run(checkpoints=checkpoints, callback=signalling_at(NUM_STEPS + 1), log_every=1, **options)
    taken = checkpoints.latest_step
    assert NUM_STEPS < taken < 2 * NUM_STEPS
    asked.clear()
    resumed = run(checkpoints=checkpoints, **options)
    assert asked[0] == (1, taken - NUM_STEPS)
    assert len(asked) == EPOCHS * NUM_STEPS - taken
    assert_same(resumed.last, unbroken.last)
    assert_same(resumed.train_history, unbroken.train_history)


def test_an_endless_loader_goes_on_from_its_state_also_between_epochs(tmp_path):
    class Endless(Placed):
        def __next__(self):
            if self.place == len(self.batches):
                self.__init__(self.epoch + 1, self.asked, as_bytes=False)
            return super().__next__()

        def get_state(self):
            return [self.epoch, self.place]

        def set_state(self, state):
            self.__init__(state[0], self.asked, as_bytes=False)
            self.place = state[1]

    for epochs in (1, 2):
        asked, checkpoints = [], train.Checkpoints(tmp_path / str(epochs))
        first = Endless(0, asked, as_bytes=False)
        run(train_batches=first, steps_per_epoch=NUM_STEPS, checkpoints=checkpoints, epochs=epochs)
        asked.clear()
        again = Endless(0, asked, as_bytes=False)
        resumed = run(train_batches=again, steps_per_epoch=NUM_STEPS, checkpoints=checkpoints)
        assert len(asked) == (EPOCHS - epochs) * NUM_STEPS
        assert_same(resumed.last, run().last)


def test_a_state_of_a_loader_that_no_file_can_keep_is_named(tmp_path):
    class Odd(Placed):
        def get_state(self):
            return {"place": (self.place,)}

    with pytest.raises(TypeError, match="run: get_state of train_batches must give bytes"):
        run(train_batches=lambda epoch: Odd(epoch, [], False), checkpoints=train.Checkpoints(tmp_path))


def test_a_loader_without_a_state_is_replayed_where_another_had_one(tmp_path):
    checkpoints = train.Checkpoints(tmp_path)
    placed = {"train_batches": lambda epoch: Placed(epoch, [], False)}
    with pytest.raises(train.Interrupted):
        run(checkpoints=checkpoints, callback=signalling_at(NUM_STEPS + 1), log_every=1, **placed)
    assert_same(run(checkpoints=checkpoints).last, run().last)
