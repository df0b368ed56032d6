"""One script on one machine or on many: data-parallel training, then a sweep over the devices of all processes.

    python -m examples.multiprocess              under Slurm, on a Cloud TPU, in a Kubernetes job: JAX finds the others
    python -m examples.multiprocess --local 2    two processes on this machine
    python -m examples.multiprocess --local 1    one process, for comparison: the same losses

A network with dropout and batch norm learns scikit-learn's digits. Every process holds its share of each batch;
parameters are replicated. The compiled step sees the whole batch as one array, so nothing in the model knows of
processes: the masks are those of a single device, the statistics of batch norm are those of the whole batch, and the
losses agree with those of one process up to the order of sums.
"""

import argparse
import json
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jreg import noise, norm, random, targets, train

BATCH_SIZE, EPOCHS, WIDTH, LEARNING_RATE = 128, 4, 64, 3e-2
OPTIMIZER = optax.sgd(LEARNING_RATE, momentum=0.9)
Hyper = dict[str, Any]


def init_state(key: jax.Array) -> train.TrainState:
    hidden_key, head_key = random.split(key)
    norm_params, stats = norm.init_batch_norm(WIDTH)
    params = {
        "hidden": jax.random.normal(hidden_key, (64, WIDTH)) / 8.0,
        "norm": norm_params,
        "head": jax.random.normal(head_key, (WIDTH, 10)) / 8.0,
    }
    return train.init_state(params, OPTIMIZER, stats)


def apply(params: Any, stats: Any, key: jax.Array | None, x: jax.Array, hyper: Hyper) -> tuple[jax.Array, Any]:
    x = x @ params["hidden"]
    if key is None:
        x = norm.batch_norm_inference(params["norm"], stats, x)
    else:
        x, stats = norm.batch_norm(params["norm"], stats, x, decay=0.9)
    return noise.dropout(key, jax.nn.relu(x), hyper["rate"]) @ params["head"], stats


def loss_fn(params: Any, stats: Any, key: jax.Array, batch: Any, hyper: Hyper) -> Any:
    logits, stats = apply(params, stats, key, batch[0], hyper)
    return targets.smoothed_cross_entropy(logits, batch[1], 0.0), (stats, {})


def metric_fn(params: Any, stats: Any, batch: Any, hyper: Hyper) -> dict[str, jax.Array]:
    logits, _ = apply(params, stats, None, batch[0], hyper)
    return {"accuracy": jnp.mean((logits.argmax(-1) == batch[1]).astype(jnp.float32))}


step, evaluate = train.make_step(loss_fn, OPTIMIZER), train.make_eval(metric_fn)


def load() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Digits for training and for validation; on a cluster each process may read its own share alone."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = (x / 16.0).astype(np.float32), y.astype(np.int32)
    return (x[:1280], y[:1280]), (x[1280:], y[1280:])


def train_together(mesh: Mesh) -> dict[str, Any]:
    """Data-parallel training: each process brings its rows, all make the same step."""
    rows, everywhere = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    (x, y), valid = load()

    @partial(jax.jit, out_shardings=everywhere)
    def start(key: jax.Array) -> train.TrainState:
        return init_state(key)

    def share(array: np.ndarray) -> jax.Array:
        """This process's part of a batch, as its part of the whole."""
        mine = len(array) // jax.process_count()
        here = array[jax.process_index() * mine : (jax.process_index() + 1) * mine]
        return jax.make_array_from_process_local_data(rows, here, array.shape)

    state, losses = start(jax.random.key(0)), []
    run = jax.jit(step, donate_argnums=0)
    for epoch in range(EPOCHS):
        order = np.random.default_rng(epoch).permutation(len(x))
        for batch in order.reshape(-1, BATCH_SIZE):
            key = random.fold_in(jax.random.key(1), len(losses))
            state, metrics = run(state, key, (share(x[batch]), share(y[batch])), {"rate": 0.3})
            losses.append(metrics["loss"])
    accuracy = jax.jit(evaluate, out_shardings=everywhere)(state, valid, {"rate": 0.3})["accuracy"]
    return {"losses": [float(loss) for loss in losses], "accuracy": float(accuracy)}


def sweep_together() -> tuple[list[list[float]], train.Table]:
    """A sweep with one lane per (rate, seed), spread over the devices of all processes."""
    training, valid = load()

    def fit_one(key: jax.Array, hyper: Hyper) -> jax.Array:
        init_key, fit_key = random.split(key)
        result = train.fit(
            step, evaluate, init_state(init_key), fit_key, training, valid, hyper,
            batch_size=BATCH_SIZE, epochs=EPOCHS, monitor="accuracy", mode="max",
        )  # fmt: skip
        return result.best_value

    settings = train.grid({"rate": [0.0, 0.3, 0.6]})
    found = train.sweep(fit_one, jax.random.split(jax.random.key(2), 3), settings)
    return found.tolist(), train.tabulate(settings, {"accuracy": found}, by="accuracy")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.multiprocess", description=__doc__)
    parser.add_argument("--json", help="where process 0 stores what was found")
    parser.add_argument("--local", type=int, help="how many processes to start on this machine")
    parser.add_argument("--worker", nargs=3, metavar=("ADDRESS", "COUNT", "INDEX"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.local:
        return start_local(options.local, options.json)
    if options.worker:
        address, count, index = options.worker
        jax.config.update("jax_num_cpu_devices", 2)
        jax.distributed.initialize(address, int(count), int(index))
    else:
        jax.distributed.initialize()
    mesh = Mesh(np.array(jax.devices()), ("data",))
    trained, (scores, table) = train_together(mesh), sweep_together()
    if jax.process_index() == 0:
        print(f"{jax.process_count()} processes with {jax.device_count()} devices trained one network: loss")
        print(f"{trained['losses'][0]:.4f} before, {trained['losses'][-1]:.4f} after; validation accuracy", end=" ")
        print(f"{trained['accuracy']:.4f}. Validation accuracy of a sweep over all of the devices:\n{table}")
        if options.json:
            Path(options.json).write_text(json.dumps({"processes": jax.process_count(), **trained, "sweep": scores}))
    jax.distributed.shutdown()
    return 0


def start_local(count: int, path: str | None) -> int:
    """Start the processes of a run on this machine."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "examples.multiprocess", *(["--json", path] if path else []), "--worker", address]
    return wait_for([subprocess.Popen([*command, str(count), str(index)]) for index in range(count)])


def wait_for(processes: list[subprocess.Popen]) -> int:
    """The status of the first process that fails, after ending the others, which would wait for it; 0 if none does."""
    while not (failed := [process.returncode for process in processes if process.poll()]):
        if all(process.returncode == 0 for process in processes):
            return 0
        time.sleep(0.05)
    for process in processes:
        process.kill()
        process.wait()
    return abs(failed[0])


if __name__ == "__main__":
    sys.exit(main())
