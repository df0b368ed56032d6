"""A run that does not move ends with a message and a status, alone and with a peer that is asleep."""

import socket
import subprocess
import sys
from pathlib import Path

from jreg import train
from jreg.train._run import _stall

ROOT = Path(train.__file__).parents[2]

ALONE = """
import sys, time
from tests.train.test_signals import *

def asleep(epoch):
    yield from BATCHES[:2]
    time.sleep(600)

def sleeping(event):
    time.sleep(600 if sys.argv[2] == "callback" else 0)

def slow_save(*args, **options):
    time.sleep(600)

# What is compiled and imported on the way is there when the watch begins.
warm = train.Checkpoints(sys.argv[1] + "/warm")
train.run(step, evaluate, train.init_state(jnp.float32(0.0), OPTIMIZER), KEY, BATCHES, BATCHES, None, epochs=1,
          progress=False, log_every=1, checkpoints=warm)
checkpoints = train.Checkpoints(sys.argv[1] + "/runs")
if sys.argv[2] == "save":
    checkpoints.save = slow_save
train.run(step, evaluate, train.init_state(jnp.float32(0.0), OPTIMIZER), KEY,
          asleep if sys.argv[2] == "loader" else BATCHES, BATCHES, None, epochs=3, progress=False, log_every=1,
          checkpoints=checkpoints, callback=sleeping, stall_timeout=10.0)
"""

TWO = """
import sys, time
import jax, jax.numpy as jnp, numpy as np, optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
jax.config.update("jax_num_cpu_devices", 1)
rank = int(sys.argv[1])
jax.distributed.initialize(sys.argv[2], 2, rank)
from jreg import train

def loss_fn(params, model_state, key, batch, hyper):
    return jnp.mean((batch @ params) ** 2), (model_state, {})

def batches(epoch):
    for number in range(6):
        if rank == 1 and epoch == 1 and number == 3:
            print("asleep", flush=True)
            time.sleep(600)
        yield np.ones((4, 3), np.float32)

mesh = Mesh(np.array(jax.devices()), ("data",))
optimizer = optax.sgd(0.1)
state = jax.device_put(train.init_state(jnp.ones((3, 1)), optimizer), NamedSharding(mesh, PartitionSpec()))
evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]})
run_step, valid = train.make_step(loss_fn, optimizer), [np.ones((4, 3), np.float32)]
options = {"progress": False, "log_every": 1, "sharding": NamedSharding(mesh, PartitionSpec("data"))}
# What is compiled and imported on the way is there when the watch begins.
train.run(run_step, evaluate, state, jax.random.key(0), valid, valid, None, epochs=1,
          checkpoints=train.Checkpoints(sys.argv[3] + "/warm"), **options)
train.run(run_step, evaluate, state, jax.random.key(0), batches, valid, None, epochs=3,
          checkpoints=train.Checkpoints(sys.argv[3] + "/runs"), **options, stall_timeout=15.0 if rank == 0 else None)
"""


def started(*arguments):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", *map(str, arguments)], cwd=ROOT, **pipes)


STUCK = {
    "loader": "a batch of train_batches in epoch 1, after step 0",
    "callback": "the callback, with an event of step 1",
    "save": "the save of step 4",
}


def test_what_is_stuck_is_named_and_the_status_is_75(tmp_path):
    """All at once, since each sleeps until its watch ends it."""
    children = {what: started(ALONE, tmp_path / what, what) for what in STUCK}
    for what, child in children.items():
        _, errors = child.communicate(timeout=180)
        assert child.returncode == 75, errors
        assert f"run: process 0 of 1 ({child.pid} on " in errors
        assert f"has not moved for 10 s; it waited for {STUCK[what]}. It ends with status 75" in errors


def test_a_peer_that_sleeps_ends_the_run_of_the_other(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    with started(TWO, 0, coordinator, tmp_path) as first, started(TWO, 1, coordinator, tmp_path) as second:
        try:
            _, errors = first.communicate(timeout=180)
        finally:
            second.kill()
    assert first.returncode == 75, errors
    assert f"run: process 0 of 2 ({first.pid} on " in errors
    assert "has not moved for 15 s; it waited for " in errors
    assert train.Checkpoints(tmp_path / "runs").latest_step == 6


class Clock:
    """Ticks that pass at once; at some of them the run moves."""

    def __init__(self, watch, ticks, moves_at):
        self.watch, self.ticks, self.moves_at = watch, ticks, moves_at

    def wait(self, seconds):
        self.ticks -= 1
        if self.moves_at(self.ticks):
            self.watch.waits_for(f"tick {self.ticks}")
        return self.ticks <= 0


def test_a_run_that_moves_is_left_alone(monkeypatch):
    ended = []
    monkeypatch.setattr(_stall, "_end", ended.append)
    for every, ends in ((1, 0), (_stall.TICKS, 0), (10**6, 1)):
        watch = _stall.Watch()
        _stall._look(watch, Clock(watch, 2 * _stall.TICKS, lambda left, every=every: left % every == 0), 30.0)
        assert min(len(ended), 1) == ends
    assert "has not moved for 30 s; it waited for its start" in ended[0]
    with _stall.watching(None) as watch:
        watch.waits_for("nothing")
