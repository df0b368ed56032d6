"""Layer dropout on a schedule: a plateau, then a decay to 0, on a deep residual network that scans over its layers.

    python -m examples.layer_dropout

Each update runs a random part of the layers and skips the rest (`noise.residual(skip="cond")`), so it saves what it
drops. The rate rises over the layers, and over time it stays at its plateau and then falls to 0, so that the network
ends its training whole, as it is used. The schedule is a leaf of `hyper` (`train.per_step`); the loss gets its number.
"""

import argparse
import sys
import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jreg import noise, random, train

NUM_LAYERS, WIDTH, BATCH_SIZE, RATE = 12, 128, 32, 0.6
"""`RATE` is that of the last layer: on average half of it is dropped."""


def init_params(key: jax.Array) -> dict[str, jax.Array]:
    """The layers are stacked along a first axis, for the scan."""
    keys = random.split(key, 4)
    shapes = {
        "in": (64, WIDTH),
        "up": (NUM_LAYERS, WIDTH, WIDTH),
        "down": (NUM_LAYERS, WIDTH, WIDTH),
        "out": (WIDTH, 10),
    }
    return {
        name: jax.random.normal(each, shape) * shape[-2] ** -0.5
        for each, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


def branch(layer: Any, key: Any, x: jax.Array) -> jax.Array:
    up, down = layer
    x = x * jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    return jax.nn.relu(x @ up) @ down / NUM_LAYERS**0.5


def logits(params: Any, key: Any, x: jax.Array, rate: Any) -> jax.Array:
    """With the key None no layer is dropped."""

    def layer(x: jax.Array, of_layer: Any) -> tuple[jax.Array, None]:
        weights, key, rate = of_layer
        return noise.residual(partial(branch, weights), key, x, rate, skip="cond"), None

    layers = (params["up"], params["down"]), random.split_array(key, NUM_LAYERS), noise.depth_rates(rate, NUM_LAYERS)
    x, _ = jax.lax.scan(layer, x @ params["in"], layers)
    return x @ params["out"]


def loss_fn(params: Any, model_state: Any, key: Any, batch: Any, hyper: Any) -> Any:
    scores = logits(params, key, batch[0], hyper["rate"])
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, batch[1])), (model_state, {})


def metrics(params: Any, model_state: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
    scores = logits(params, None, batch[0], 0.0)
    loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, batch[1]))
    return {"loss": loss, "accuracy": jnp.mean(jnp.argmax(scores, axis=1) == batch[1])}


def plateau_and_decay(rate: float, num_steps: int, plateau: float = 0.6) -> optax.Schedule:
    """The rate for a share of the run, then on a line to 0."""
    whole = int(plateau * num_steps)
    return optax.join_schedules(
        [optax.constant_schedule(rate), optax.linear_schedule(rate, 0.0, num_steps - whole)], [whole]
    )


def recipes(num_steps: int) -> dict[str, Any]:
    return {
        "no layer dropout": 0.0,
        f"a rate of {RATE}": RATE,
        f"{RATE}, then a decay": train.per_step(plateau_and_decay(RATE, num_steps)),
    }


def digits(num_train: int) -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = jnp.asarray(x[order] / 16.0, jnp.float32), jnp.asarray(y[order], jnp.int32)
    return (x[:num_train], y[:num_train]), (x[800:], y[800:])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.layer_dropout", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, few epochs and examples")
    num_train, num_seeds, epochs = (256, 1, 3) if parser.parse_args(arguments).quick else (800, 3, 30)
    train_data, valid_data = digits(num_train)
    num_steps = epochs * (len(train_data[1]) // BATCH_SIZE)
    optimizer = optax.adam(1e-3)
    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metrics)
    for name, rate in recipes(num_steps).items():

        @jax.jit
        def fit(key: jax.Array, rate: Any = rate) -> Any:
            init_key, fit_key = random.split(key)
            state = train.init_state(init_params(init_key), optimizer)
            options: dict[str, Any] = {"batch_size": BATCH_SIZE, "epochs": epochs}
            return train.fit(step, evaluate, state, fit_key, train_data, valid_data, {"rate": rate}, **options)

        compiled = fit.lower(jax.random.key(0)).compile()
        start = time.perf_counter()
        results = [jax.block_until_ready(compiled(jax.random.key(seed))) for seed in range(num_seeds)]
        seconds = (time.perf_counter() - start) / num_seeds
        scores = [float(result.valid_history["accuracy"][-1]) for result in results]
        losses = [float(result.valid_history["loss"][-1]) for result in results]
        print(f"{name:22s} accuracy {np.mean(scores):.3f}  loss {np.mean(losses):.3f}  {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
