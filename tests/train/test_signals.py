"""Asked to leave: after the step, saved, with the status of the signal, and nothing torn by a second request."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jreg import train
from jreg.train._run import _signals

KEY = jax.random.key(7)
BATCHES = [(np.full((2, 1), float(index), np.float32), np.ones((2, 1), np.float32)) for index in range(4)]
ROOT = Path(train.__file__).parents[2]


def loss_fn(params, model_state, key, batch, hyper):
    return jnp.mean((batch[0] * params - batch[1]) ** 2), (model_state, {})


OPTIMIZER = optax.sgd(0.01)
step = train.make_step(loss_fn, OPTIMIZER)
evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]})


def run(callback=None, **options):
    state = train.init_state(jnp.float32(0.0), OPTIMIZER)
    options = {"epochs": 3, "progress": False, "log_every": 1, "callback": callback} | options
    return train.run(step, evaluate, state, KEY, BATCHES, BATCHES, None, **options)


def sends(signum, at=5):
    def callback(event):
        if event.kind == "step" and event.step == at:
            os.kill(os.getpid(), signum)

    return callback


@pytest.fixture(autouse=True)
def interactive():
    """A shell starts what runs in its background with SIGINT ignored, and what is ignored stays so."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_run_after_the_step_with_its_status(tmp_path, signum, status):
    checkpoints = train.Checkpoints(tmp_path)
    with pytest.raises(SystemExit) as left:
        run(sends(signum), checkpoints=checkpoints)
    assert left.value.code == status
    assert left.value.result.status == "interrupted"
    assert int(left.value.result.last.step) == checkpoints.latest_step == 6


def test_without_checkpoints_it_leaves_too():
    with pytest.raises(train.Interrupted) as left:
        run(sends(signal.SIGTERM))
    assert int(left.value.result.last.step) == 6


def test_a_signal_at_the_very_end_is_not_lost():
    """Lightning#21623: the status was 0."""
    with pytest.raises(train.Interrupted) as left:
        run(sends(signal.SIGTERM, at=12))
    assert left.value.result.status == "finished"


def test_more_signals_during_the_save_do_not_tear_it(tmp_path, monkeypatch):
    checkpoints, original = train.Checkpoints(tmp_path), os.fsync

    def fsync(descriptor):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        original(descriptor)

    def send_and_go_on_sending(event):
        sends(signal.SIGTERM)(event)
        if event.kind == "step" and event.step == 5:
            monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(train.Interrupted) as left:
        run(send_and_go_on_sending, checkpoints=checkpoints)
    monkeypatch.undo()
    assert left.value.signum == signal.SIGTERM
    assert checkpoints.latest_step == 6
    resumed, whole = run(checkpoints=checkpoints), run()
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)


def test_handlers_are_called_and_put_back():
    heard = []

    def handler(signum, frame):
        heard.append(signum)

    former = signal.signal(signal.SIGTERM, handler), signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(train.Interrupted):
            run(sends(signal.SIGTERM))
        assert signal.getsignal(signal.SIGTERM) is handler
        assert heard == [signal.SIGTERM]
        # Ignored in the background of a shell, so it stays ignored.
        assert run(sends(signal.SIGINT)).status == "finished"
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, former[0])
        signal.signal(signal.SIGINT, former[1])
    with pytest.raises(ZeroDivisionError):
        run(lambda event: 1 / 0)
    assert signal.getsignal(signal.SIGINT) is former[1]


def test_it_runs_outside_the_main_thread():
    results = []
    thread = threading.Thread(target=lambda: results.append(run()))
    thread.start()
    thread.join()
    jax.tree.map(np.testing.assert_array_equal, results[0], run())


def test_several_processes_leave_at_the_step_that_jax_names(monkeypatch):
    """There a handler of Python's would keep the signal from jax, and each process would leave at a step of its own."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(_signals.multihost_utils, "reached_preemption_sync_point", lambda step: step == 3)
    with _signals.listening() as requests:
        assert signal.getsignal(signal.SIGTERM) is before
        assert [requests.agreed(step) for step in (1, 2, 3)] == [False, False, True]
    assert requests.signum == signal.SIGTERM


SCRIPT = """
import sys, time
from tests.train.test_signals import *

def slow(epoch):
    for batch in BATCHES:
        time.sleep(0.01)
        print("batch", flush=True)
        yield batch

state = train.init_state(jnp.float32(0.0), OPTIMIZER)
train.run(step, evaluate, state, KEY, slow, BATCHES, None, epochs=10000, progress=False,
          checkpoints=train.Checkpoints(sys.argv[1]))
"""


def test_a_plain_script_ends_with_the_status_and_a_checkpoint(tmp_path):
    """orbax's own guard does nothing in a single process: it ends with -15 and no save."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as child:
        for _ in range(10):
            assert child.stdout.readline() == "batch\n"
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (143, "")
    found = train.Checkpoints(tmp_path).restore(train.init_state(jnp.float32(0.0), OPTIMIZER), at="state")
    assert int(found.step) >= 5
