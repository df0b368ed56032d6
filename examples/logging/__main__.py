"""`python -m examples.logging FOLDER`: stop it with Ctrl-C, start it again, and it resumes where it left off."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

from jreg import noise, optim, targets, train

from .loggers import LOGGERS

BATCH_SIZE, NUM_TRAIN = 32, 1200
HYPER = {"rate": 0.3, "smoothing": 0.1}


def main(arguments: list[str] | None = None) -> train.RunResult:
    parser = argparse.ArgumentParser(prog="python -m examples.logging", description=__doc__)
    parser.add_argument("folder", type=Path, help="for the checkpoints and the log")
    parser.add_argument("--logger", choices=LOGGERS, default="lines")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    x, y = digits()
    optimizer = optim.with_decoupled_decay(optax.sgd(0.1, momentum=0.9), 1e-3, learning_rate=0.1)
    return train.run(
        train.make_step(loss_fn, optimizer),
        train.make_eval(metric_fn),
        train.init_state(params(jax.random.key(0)), optimizer),
        jax.random.key(1),
        lambda epoch: batches(x[:NUM_TRAIN], y[:NUM_TRAIN], epoch),
        [(x[NUM_TRAIN:], y[NUM_TRAIN:])],
        HYPER,
        epochs=options.epochs,
        patience=10,
        checkpoints=train.Checkpoints(options.folder / "checkpoints"),
        callback=LOGGERS[options.logger](str(options.folder)),
    )


def digits() -> tuple[np.ndarray, np.ndarray]:
    images, labels = load_digits(return_X_y=True)
    return (images / 16).astype(np.float32), labels.astype(np.int32)


def batches(x: np.ndarray, y: np.ndarray, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shuffled by the epoch's number, so that a resumed run meets the same batches; the short last one is dropped."""
    order = np.random.default_rng(epoch).permutation(len(x))
    for start in range(0, len(x) - BATCH_SIZE + 1, BATCH_SIZE):
        rows = order[start : start + BATCH_SIZE]
        yield x[rows], y[rows]


def params(key: jax.Array) -> dict[str, dict[str, jax.Array]]:
    first, second = jax.random.split(key)
    return {
        "hidden": {"kernel": jax.random.normal(first, (64, 128)) / 8.0},
        "head": {"kernel": jax.random.normal(second, (128, 10)) / 11.0},
    }


def apply(params, key, x, rate):
    hidden = jax.nn.relu(x @ params["hidden"]["kernel"])
    return noise.dropout(key, hidden, rate) @ params["head"]["kernel"]


def loss_fn(params, model_state, key, batch, hyper):
    logits = apply(params, key, batch[0], hyper["rate"])
    loss = targets.smoothed_cross_entropy(logits, batch[1], hyper["smoothing"])
    return loss, (model_state, {"accuracy": accuracy(logits, batch[1])})


def metric_fn(params, model_state, batch, hyper):
    logits = apply(params, None, batch[0], 0.0)
    loss = targets.smoothed_cross_entropy(logits, batch[1], hyper["smoothing"])
    return {"loss": loss, "accuracy": accuracy(logits, batch[1])}


def accuracy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return jnp.mean(jnp.argmax(logits, axis=-1) == labels)


if __name__ == "__main__":
    main()
    sys.exit(0)
