"""A convolutional network in flax nnx with DropBlock, stochastic depth and augmentation, against the same without.

    python -m examples.nnx_cnn [--quick]

A small residual network learns 100 of scikit-learn's digits. Every recipe is a setting of the same compiled program:
rates and angles are traced, and 0 is exact, so "none" is the network without any of them. All recipes meet the same
seeds, rows and number of epochs; validation chooses the epoch, and the test rows only measure.
"""

import argparse
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from sklearn.datasets import load_digits

import jreg.nnx
from jreg import augment, noise, optim, random, train

NUM_TRAIN, NUM_VALID, CHANNELS, NUM_BLOCKS = 100, 200, 12, 3
BATCH_SIZE, STEPS_PER_EPOCH, LEARNING_RATE, DECAY = 20, 20, 5e-3, 0.1
RECIPES = {
    "none": {"dropblock": 0.0, "depth": 0.0, "degrees": 0.0, "shift": 0.0},
    "DropBlock": {"dropblock": 0.1, "depth": 0.0, "degrees": 0.0, "shift": 0.0},
    "stochastic depth": {"dropblock": 0.0, "depth": 0.1, "degrees": 0.0, "shift": 0.0},
    "augmentation": {"dropblock": 0.0, "depth": 0.0, "degrees": 10.0, "shift": 0.06},
    "all three": {"dropblock": 0.1, "depth": 0.1, "degrees": 10.0, "shift": 0.06},
}


class Block(nnx.Module):
    """x + depth(dropblock(relu(norm(conv(x)))))."""

    def __init__(self, dropblock: Any, depth: Any, *, rngs: nnx.Rngs):
        self.conv = nnx.Conv(CHANNELS, CHANNELS, (3, 3), use_bias=False, rngs=rngs)
        self.norm = jreg.nnx.BatchNorm(CHANNELS, momentum=0.9, rngs=rngs)
        self.dropblock = jreg.nnx.DropBlock(dropblock, block_size=3, rngs=rngs)
        self.depth = jreg.nnx.StochasticDepth(depth, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x + self.depth(self.dropblock(nnx.relu(self.norm(self.conv(x)))))


class Model(nnx.Module):
    def __init__(self, hyper: Any, *, rngs: nnx.Rngs):
        self.stem = nnx.Conv(1, CHANNELS, (3, 3), rngs=rngs)
        # Deeper blocks are dropped more often.
        depths = noise.depth_rates(hyper["depth"], NUM_BLOCKS)
        self.blocks = nnx.List([Block(hyper["dropblock"], depth, rngs=rngs) for depth in depths])
        self.head = nnx.Linear(CHANNELS, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.stem(x))
        first, *rest = self.blocks
        x = nnx.avg_pool(first(x), (2, 2), (2, 2))
        for block in rest:
            x = block(x)
        return self.head(jnp.mean(x, axis=(1, 2)))


def fit_one(key: jax.Array, hyper: Any, pool: Any, test: Any, epochs: int) -> dict[str, jax.Array]:
    """One run on rows that the key draws: accuracies at the best epoch."""
    rows_key, init_key, run_key = random.split(key, 3)
    rows = jax.random.permutation(rows_key, len(pool[1]))
    training = jax.tree.map(lambda leaf: leaf[rows[:NUM_TRAIN]], pool)
    valid = jax.tree.map(lambda leaf: leaf[rows[NUM_TRAIN : NUM_TRAIN + NUM_VALID]], pool)
    params, stats, apply = jreg.nnx.as_function(Model(hyper, rngs=nnx.Rngs(init_key)))

    def loss_fn(params: Any, stats: Any, key: jax.Array, batch: Any, hyper: Any) -> Any:
        augment_key, noise_key = random.split(key)
        x = augment.random_affine(augment_key, batch[0], degrees=hyper["degrees"], translation=hyper["shift"])
        logits, stats = apply(params, stats, noise_key, x)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, batch[1])), (stats, {})

    def metric_fn(params: Any, stats: Any, batch: Any, hyper: Any) -> dict[str, jax.Array]:
        logits, _ = apply(params, stats, None, batch[0])  # None: no noise, running statistics
        loss = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]))
        return {"loss": loss, "accuracy": jnp.mean(logits.argmax(-1) == batch[1])}

    rate = optax.cosine_decay_schedule(LEARNING_RATE, epochs * STEPS_PER_EPOCH)
    optimizer = optim.with_decoupled_decay(optax.adam(rate), DECAY, learning_rate=rate)
    step, evaluate = train.make_step(loss_fn, optimizer), train.make_eval(metric_fn)
    state = train.init_state(params, optimizer, stats)
    sizes: dict[str, Any] = {"batch_size": BATCH_SIZE, "epochs": epochs, "steps_per_epoch": STEPS_PER_EPOCH}
    result = train.fit(step, evaluate, state, run_key, training, valid, hyper, **sizes)
    return {"valid": result.best_metrics["accuracy"], "test": evaluate(result.best, test, hyper)["accuracy"]}


def main(arguments: list[str] | None = None) -> train.Table:
    parser = argparse.ArgumentParser(prog="python -m examples.nnx_cnn", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seeds, few epochs and test rows")
    num_seeds, epochs, num_test = (2, 1, 100) if parser.parse_args(arguments).quick else (3, 30, 797)
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = jnp.asarray(x[order].reshape(-1, 8, 8, 1) / 16.0, jnp.float32), jnp.asarray(y[order], jnp.int32)
    pool, test = (x[:1000], y[:1000]), (x[1000 : 1000 + num_test], y[1000 : 1000 + num_test])
    settings = {name: jnp.array([recipe[name] for recipe in RECIPES.values()]) for name in RECIPES["none"]}

    def run(key: jax.Array, hyper: Any) -> dict[str, jax.Array]:
        return fit_one(key, hyper, pool, test, epochs)

    # A core runs convolutions of one network after another faster than those of many at once.
    found = train.sweep(run, jax.random.split(jax.random.key(0), num_seeds), settings, lanes_at_once=1)
    table = train.tabulate({"recipe": np.array(list(RECIPES))}, found, by="valid", baseline=0)
    print(f"{NUM_TRAIN} digits, accuracy at the epoch that validation chose\n{table}")
    return table


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    main()
