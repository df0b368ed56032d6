"""What two processes stop together they resume together: a sweep by its lanes, a run by the state of each loader."""

import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

CHILD = """
import sys
import jax, jax.numpy as jnp, numpy as np, optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
jax.config.update("jax_num_cpu_devices", 1)
rank = int(sys.argv[1])
jax.distributed.initialize(sys.argv[2], 2, rank)
from jreg import train

class Stopped(Exception):
    pass

def stop(*_):
    raise Stopped

def caught(function, *arguments, **options):
    try:
        function(*arguments, **options)
    except Stopped:
        return
    raise AssertionError("it went on")

# A sweep of six lanes, stopped after its first chunk of two.
def fit_one(key, hyper):
    return jax.random.normal(key, (3,)) * hyper

keys, hypers = jax.random.split(jax.random.key(0), 2), jnp.arange(3.0)
whole = train.sweep(fit_one, keys, hypers)
options = {"checkpoints": sys.argv[3] + "/sweep", "chunk_size": 2}
caught(train.sweep, fit_one, keys, hypers, progress=stop, **options)
shown = []
found = train.sweep(fit_one, keys, hypers, progress=lambda *done: shown.append(done), **options)
assert shown == [(4, 6), (6, 6)], shown
np.testing.assert_array_equal(found, whole)

# A run of eight steps, stopped after its fifth; each process has a loader of its own.
class Loader:
    asked = 0
    def __init__(self):
        self.place = 0
    def __iter__(self):
        return self
    def __next__(self):
        Loader.asked += 1
        self.place += 1
        if self.place > 8:
            raise StopIteration
        return np.full((2, 3), 10 * rank + self.place, np.float32)
    def get_state(self):
        return {"place": self.place, "of": "first" if rank == 0 else "the second"}
    def set_state(self, state):
        assert state["of"] == ("first" if rank == 0 else "the second")
        self.place = state["place"]

def loss_fn(params, model_state, key, batch, hyper):
    return jnp.mean((batch @ params - 1.0) ** 2), (model_state, {})

mesh = Mesh(np.array(jax.devices()), ("data",))
optimizer = optax.sgd(1e-4)
state = jax.device_put(train.init_state(jnp.ones((3, 1)), optimizer), NamedSharding(mesh, PartitionSpec()))
evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]})
step, valid = train.make_step(loss_fn, optimizer), [np.ones((2, 3), np.float32)]

def run(**given):
    options = {"progress": False, "log_every": 1, "sharding": NamedSharding(mesh, PartitionSpec("data")), **given}
    key, loader = jax.random.key(0), lambda epoch: Loader()
    return train.run(step, evaluate, state, key, loader, valid, None, epochs=1, **options)

unbroken = run()
folder = sys.argv[3] + "/runs"
at_6 = lambda event: stop() if event.step == 6 else None
caught(run, checkpoints=train.Checkpoints(folder), save_every=5, callback=at_6)
Loader.asked = 0
resumed = run(checkpoints=train.Checkpoints(folder))
assert Loader.asked == 4, Loader.asked  # three batches and the end
np.testing.assert_array_equal(resumed.last.params, unbroken.last.params)
print("done", flush=True)
"""


def test_two_processes_resume_together(tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    processes = [
        subprocess.Popen([sys.executable, "-c", CHILD, str(rank), coordinator, str(tmp_path)], **pipes)
        for rank in range(2)
    ]
    try:
        found = [process.communicate(timeout=180) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert all(out.endswith("done\n") for out, _ in found), found
    assert f"sweep: 2 of 6 lanes are in {tmp_path / 'sweep'}" in found[0][1]
