"""A training run to interrupt: `python -m benchmarks.faults.target FOLDER [--process N --coordinator ADDRESS]`.

It saves after every step, says so, and ends with a digest of all its numbers. With a process number it is one of two,
with half of every batch each. The other options plant a fault: a setting that has changed, an exception of the loader
or the callback, or a loader that hangs, at a batch counted over the whole run.
"""

import argparse
import hashlib
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jreg import noise, train

EPOCHS, BATCHES, SIZE = 5, 8, 16
RATE = 0.2


def main(arguments: list[str]) -> None:
    options = parsed(arguments)
    # What a shell starts in its background has Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if options.coordinator:
        jax.distributed.initialize(options.coordinator, 2, options.process, heartbeat_timeout_seconds=10)
    mesh = Mesh(np.array(jax.devices()), ("data",))
    optimizer = optax.sgd(0.05, momentum=0.9)
    params = {"hidden": jnp.asarray(_uniform((4, 32))), "out": jnp.asarray(_uniform((32, 1)))}
    state = jax.device_put(train.init_state(params, optimizer), NamedSharding(mesh, PartitionSpec()))
    checkpoints = train.Checkpoints(options.folder, keep=2)

    def told(event: train.Event) -> None:
        # A step is told of when its save is about to begin, so the one before is on the disk.
        if event.kind == "step":
            print(f"saved {event.step - 1}", flush=True)
            if event.step == options.callback_fails_at:
                raise RuntimeError("no more room")

    result = train.run(
        train.make_step(loss_fn, optimizer),
        train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]}),
        state,
        jax.random.key(1),
        lambda epoch: faulty(batches(epoch), epoch * BATCHES, options),
        lambda epoch: batches(100),
        {"rate": options.rate},
        epochs=options.epochs,
        checkpoints=checkpoints,
        progress=False,
        patience=EPOCHS,
        callback=told,
        save_every=1,
        log_every=1,
        sharding=NamedSharding(mesh, PartitionSpec("data")),
        grace=options.grace,
        stall_timeout=options.stall_timeout,
    )
    print(f"end {digest(result)}", flush=True)


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults.target", description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--process", type=int)
    parser.add_argument("--coordinator")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--loader-fails-at", type=int)
    parser.add_argument("--loader-hangs-at", type=int)
    parser.add_argument("--callback-fails-at", type=int)
    parser.add_argument("--grace", type=float, default=30.0)
    parser.add_argument("--stall-timeout", type=float)
    return parser.parse_args(arguments)


def faulty(given: Iterator[Any], first: int, options: argparse.Namespace) -> Iterator[Any]:
    """The batches, counted from `first`, up to the one that fails or never comes."""
    for number, batch in enumerate(given, first):
        if number == options.loader_fails_at:
            raise RuntimeError("no more data")
        if number == options.loader_hangs_at:
            print("hangs", flush=True)
            time.sleep(600)
        yield batch


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
    main(sys.argv[1:])
