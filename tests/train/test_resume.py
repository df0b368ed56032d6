"""A run knows its settings: it goes on with the same, names what changed, and says where it goes on."""

import os
import signal
import time
from math import inf

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import train

from .test_run import (
    EPOCHS,
    HYPER,
    KEY,
    NUM_STEPS,
    VALID,
    assert_same,
    endless,
    loss_fn,
    make_state,
    run,
    shuffled,
    signalled_at,
    signalling_at,
)


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
    assert capsys.readouterr().out.splitlines()[-1] == "asked to leave by SIGTERM, saved at step 6, epoch 2"
    run(**options)
    assert capsys.readouterr().out.splitlines()[0] == "resumed at step 6, epoch 2"
    with pytest.raises(train.Interrupted):
        run(progress=True, log_every=1, callback=signalling_at(5))
    assert capsys.readouterr().out.splitlines()[-1] == "asked to leave by SIGTERM, not saved at step 6, epoch 2"


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


def test_an_exception_saves_what_is_good_and_goes_on(tmp_path):
    unbroken = run(patience=5)
    for number, (name, options) in enumerate(FAILING.items()):
        checkpoints = train.Checkpoints(tmp_path / str(number))
        with pytest.raises(RuntimeError, match=r"no more (data|room)"):
            run(checkpoints=checkpoints, patience=5, log_every=1, **options)
        events = []
        assert_same(run(checkpoints=checkpoints, patience=5, log_every=1, callback=events.append), unbroken)
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
