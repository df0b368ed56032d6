"""One network trained by `fit`, by `run` and by `sweep`: what the examples for nnx, linen, equinox and haiku share.

A framework has to give one function, and nothing below knows which framework it is:

    make(key, rate) -> params, model_state, apply
    apply(params, model_state, key, x) -> logits, model_state
"""

import argparse
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import optim, random, train

from .compare.data import digits

BATCH_SIZE, NUM_TRAIN, NUM_VALID, LEARNING_RATE = 64, 512, 256, 2e-3
RATES = [0.0, 0.3, 0.6]
# Adam, with decay on the kernels alone: the default selection finds them in the trees of all four frameworks.
OPTIMIZER = optim.with_decoupled_decay(optax.adam(LEARNING_RATE), 0.1, learning_rate=LEARNING_RATE)

Make = Callable[[Any, Any], tuple[Any, Any, Callable[..., Any]]]


def programs(apply: Callable[..., Any]) -> tuple[Any, Any]:
    """The step of training, with noise and batch statistics, and the evaluation, with neither."""

    def loss_fn(params: Any, model_state: Any, key: Any, batch: Any, hyper: Any) -> Any:
        logits, model_state = apply(params, model_state, key, batch[0])
        return jnp.mean(optax.softmax_cross_entropy(logits, batch[1])), (model_state, {})

    def metric_fn(params: Any, model_state: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
        logits, _ = apply(params, model_state, None, batch[0])
        accuracy = jnp.mean(logits.argmax(1) == batch[1].argmax(1))
        return {"loss": jnp.mean(optax.softmax_cross_entropy(logits, batch[1])), "accuracy": accuracy}

    return train.make_step(loss_fn, OPTIMIZER), train.make_eval(metric_fn)


def main(make: Make, name: str, doc: str | None, arguments: list[str] | None = None) -> float:
    """Train the network three ways, print what each found, return the test accuracy of the run."""
    parser = argparse.ArgumentParser(prog=f"python -m examples.{name}", description=doc)
    parser.add_argument("--epochs", type=int, default=30)
    epochs = parser.parse_args(arguments).epochs
    data = digits()
    training = data.pool_x[:NUM_TRAIN], data.pool_y[:NUM_TRAIN]
    valid = data.pool_x[NUM_TRAIN:][:NUM_VALID], data.pool_y[NUM_TRAIN:][:NUM_VALID]
    test = data.test_x, data.test_y

    def fit_one(key: jax.Array, hyper: Any) -> Any:
        init_key, fit_key = random.split(key)
        params, model_state, apply = make(init_key, hyper["rate"])
        step, evaluate = programs(apply)
        state, rows = train.init_state(params, OPTIMIZER, model_state), {"batch_size": BATCH_SIZE, "epochs": epochs}
        result = train.fit(step, evaluate, state, fit_key, training, valid, None, **rows)
        return {"valid": result.best_metrics["accuracy"], "test": evaluate(result.best, test, None)["accuracy"]}

    one = jax.jit(fit_one)(jax.random.key(0), {"rate": jnp.float32(0.3)})
    print(f"fit: one compiled program; test accuracy {float(one['test']):.3f}")

    settings = train.grid({"rate": RATES})
    found = train.sweep(fit_one, random.split_array(jax.random.key(1), 4), settings)
    print(f"sweep: {len(RATES)} rates x 4 seeds in one program\n{train.tabulate(settings, found, by='valid')}")

    def batches(epoch: int) -> list[Any]:
        order = np.random.default_rng(epoch).permutation(NUM_TRAIN).reshape(-1, BATCH_SIZE)
        return [jax.tree.map(lambda leaf: leaf[rows], training) for rows in order]  # noqa: B023

    params, model_state, apply = make(jax.random.key(0), 0.3)
    step, evaluate = programs(apply)
    state, key = train.init_state(params, OPTIMIZER, model_state), jax.random.key(2)
    result = train.run(step, evaluate, state, key, batches, [valid], None, epochs=epochs, progress=False)
    accuracy = float(jax.jit(evaluate)(result.best, test, None)["accuracy"])
    print(f"run: batches from the host, best epoch {result.best_epoch}; test accuracy {accuracy:.3f}")
    return accuracy
