"""A training run to interrupt: `python -m benchmarks.faults.target FOLDER [PROCESS COORDINATOR]`.

It saves after every step, says so, and ends with a digest of all its numbers. With a process number it is one of two,
with half of every batch each.
"""

import hashlib
import sys
import time
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jreg import noise, train

EPOCHS, BATCHES, SIZE = 5, 8, 16
RATE = 0.2


def main(folder: str, process: str = "", coordinator: str = "") -> None:
    if process:
        jax.distributed.initialize(coordinator, 2, int(process), heartbeat_timeout_seconds=10)
    mesh = Mesh(np.array(jax.devices()), ("data",))
    optimizer = optax.sgd(0.05, momentum=0.9)
    params = {"hidden": jnp.asarray(_uniform((4, 32))), "out": jnp.asarray(_uniform((32, 1)))}
    state = jax.device_put(train.init_state(params, optimizer), NamedSharding(mesh, PartitionSpec()))
    checkpoints = train.Checkpoints(folder, keep=2)

    def told(event: train.Event) -> None:
        # A step is told of when its save is about to begin, so the one before is on the disk.
        if event.kind == "step":
            print(f"saved {event.step - 1}", flush=True)

    result = train.run(
        train.make_step(loss_fn, optimizer),
        train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]}),
        state,
        jax.random.key(1),
        batches,
        lambda epoch: batches(100),
        {"rate": RATE},
        epochs=EPOCHS,
        checkpoints=checkpoints,
        progress=False,
        patience=EPOCHS,
        callback=told,
        save_every=1,
        log_every=1,
        sharding=NamedSharding(mesh, PartitionSpec("data")),
    )
    print(f"end {digest(result)}", flush=True)


def loss_fn(params, model_state, key, batch, hyper):
    hidden = noise.dropout(key, jnp.tanh(batch[0] @ params["hidden"]), hyper["rate"])
    return jnp.mean((hidden @ params["out"] - batch[1]) ** 2), (model_state, {})


def batches(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches that depend on the epoch, of which each process has its part."""
    generator = np.random.default_rng(epoch)
    part = slice(jax.process_index(), None, jax.process_count())
    for _ in range(BATCHES):
        x = generator.normal(size=(SIZE, 4)).astype(np.float32)
        time.sleep(0.005)
        yield x[part], np.sin(x.sum(axis=1, keepdims=True))[part]


def digest(result: train.RunResult) -> str:
    """Of every number of the result, in the order of its tree."""
    total = hashlib.sha256()
    for leaf in jax.tree.leaves(result):
        total.update(str(leaf).encode() if isinstance(leaf, str) else np.asarray(leaf).tobytes())
    return total.hexdigest()[:16]


def _uniform(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(sum(shape)).uniform(-0.5, 0.5, shape).astype(np.float32)


if __name__ == "__main__":
    main(*sys.argv[1:])
