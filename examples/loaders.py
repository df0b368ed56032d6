"""A run fed by grain, torch or tf.data, stopped in the middle of an epoch and resumed: the numbers are the same.

    python -m examples.loaders [--loader grain | torch | tf] [--epochs 6]

grain's iterators know where they are: the run saves their state and puts it back. The others are asked for the epoch
again, in the order of its number, and the batches that were used before are dropped.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

from jreg import noise, random, train

BATCH_SIZE, NUM_TRAIN = 32, 1200
RATE = {"rate": 0.3}

Rows = tuple[np.ndarray, np.ndarray]
Epochs = Callable[[int], Iterable[Any]]


def with_grain(x: np.ndarray, y: np.ndarray) -> Epochs:
    import grain

    rows = grain.MapDataset.source(list(zip(x, y, strict=True)))
    return lambda epoch: rows.seed(epoch).shuffle().batch(BATCH_SIZE, drop_remainder=True).to_iter_dataset()


def with_torch(x: np.ndarray, y: np.ndarray) -> Epochs:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    rows = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))

    def batches(epoch: int) -> Iterable[Any]:
        order = torch.Generator().manual_seed(epoch)
        return DataLoader(rows, BATCH_SIZE, shuffle=True, drop_last=True, generator=order)

    return batches


def with_tf(x: np.ndarray, y: np.ndarray) -> Epochs:
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices((x, y))

    def batches(epoch: int) -> Iterable[Any]:
        shuffled = rows.shuffle(len(x), seed=epoch, reshuffle_each_iteration=False)
        return shuffled.batch(BATCH_SIZE, drop_remainder=True).prefetch(2).as_numpy_iterator()

    return batches


LOADERS = {"grain": with_grain, "torch": with_torch, "tf": with_tf}


def init_params(key: jax.Array, width: int = 64) -> dict[str, jax.Array]:
    first, second = random.split(key)
    normal = jax.random.normal
    return {"in": 0.2 * normal(first, (64, width)), "bias": jnp.zeros(width), "out": 0.1 * normal(second, (width, 10))}


def logits(params: Any, key: jax.Array | None, x: jax.Array, rate: Any) -> jax.Array:
    return noise.dropout(key, jax.nn.relu(x @ params["in"] + params["bias"]), rate) @ params["out"]


def loss_fn(params: Any, model_state: Any, key: Any, batch: Any, hyper: Any) -> Any:
    x, y = batch
    losses = optax.softmax_cross_entropy_with_integer_labels(logits(params, key, x, hyper["rate"]), y)
    return jnp.mean(losses), (model_state, {})


def metric_fn(params: Any, model_state: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
    found = logits(params, None, batch[0], 0.0)
    loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(found, batch[1]))
    return {"loss": loss, "accuracy": jnp.mean(found.argmax(1) == batch[1])}


def counted(epochs: Epochs, log: list[int]) -> Epochs:
    """The same loader, which writes down every batch that it is asked for."""

    class Counted:
        def __init__(self, epoch: int):
            self.batches: Any = iter(epochs(epoch))
            if hasattr(self.batches, "set_state"):
                self.get_state, self.set_state = self.batches.get_state, self.batches.set_state

        def __iter__(self) -> Iterator[Rows]:
            return self

        def __next__(self) -> Rows:
            batch = next(self.batches)
            log.append(1)
            return batch

    return Counted


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m examples.loaders", description=__doc__)
    parser.add_argument("--loader", choices=LOADERS, default="grain")
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args(arguments)
    images, labels = load_digits(return_X_y=True)
    x, y = (images / 16).astype(np.float32), labels.astype(np.int32)
    log: list[int] = []
    batches = counted(LOADERS[options.loader](x[:NUM_TRAIN], y[:NUM_TRAIN]), log)
    optimizer = optax.adam(2e-3)
    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metric_fn)
    stop_at = (options.epochs - 1) * (NUM_TRAIN // BATCH_SIZE) - 10

    def fit(**given: Any) -> train.RunResult:
        state = train.init_state(init_params(jax.random.key(0)), optimizer)
        valid = [(x[NUM_TRAIN:], y[NUM_TRAIN:])]
        key, epochs = jax.random.key(1), options.epochs
        return train.run(step, evaluate, state, key, batches, valid, RATE, epochs=epochs, progress=False, **given)

    def stop(event: train.Event) -> None:
        """What a cluster does that takes the machine back."""
        if event.step == stop_at:
            signal.raise_signal(signal.SIGTERM)

    unbroken = fit()
    with tempfile.TemporaryDirectory() as folder:
        try:
            fit(checkpoints=train.Checkpoints(folder), callback=stop, log_every=1)
        except train.Interrupted as interrupted:
            step_reached = int(interrupted.result.last.step)
        log.clear()
        resumed = fit(checkpoints=train.Checkpoints(folder))
    is_same = jax.tree.all(jax.tree.map(np.array_equal, resumed.last, unbroken.last))
    steps_left = int(unbroken.last.step) - step_reached
    print(f"validation accuracy {float(resumed.valid_history['accuracy'][-1]):.3f}")
    print(f"stopped after step {step_reached} of {int(unbroken.last.step)}, and resumed: the same weights: {is_same}")
    print(f"the resumed run asked for {len(log)} batches for the {steps_left} steps that were left")
    return {"is_same": is_same, "asked": len(log), "steps_left": steps_left}


if __name__ == "__main__":
    sys.exit(not main()["is_same"])
