"""An equinox model on digits: dropout and batch norm by direct calls, decay on its kernels.

    python -m examples.equinox_mlp [--steps 300]

equinox needs no adapter: a module is a pytree, so `jreg` works on it. A key (or None) and the statistics of batch norm
are arguments like any other. `eqx.partition` separates the arrays from the functions, as optimizers need it.
"""

import argparse
import sys
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from jreg import noise, norm, optim, random

from .compare.data import digits

LEARNING_RATE, ROWS = 2e-3, 256


class Model(eqx.Module):
    first: eqx.nn.Linear
    norm_params: norm.BatchNormParams
    head: eqx.nn.Linear

    def __init__(self, key: jax.Array, width: int = 128):
        first_key, head_key = random.split(key)
        self.first = eqx.nn.Linear(64, width, key=first_key)
        self.norm_params, _ = norm.init_batch_norm(width)
        self.head = eqx.nn.Linear(width, 10, key=head_key)

    def __call__(self, key: jax.Array | None, stats: Any, x: jax.Array, rate: Any) -> tuple[jax.Array, Any]:
        x = jax.vmap(self.first)(x)
        if key is None:
            x = norm.batch_norm_inference(self.norm_params, stats, x)
        else:
            x, stats = norm.batch_norm(self.norm_params, stats, x, decay=0.9, ghost_size=16)
        x = noise.dropout(key, jax.nn.relu(x), rate)
        return jax.vmap(self.head)(x), stats


def make_optimizer() -> optax.GradientTransformation:
    """Adam, with decay on the kernels: the default selection finds them in an equinox tree."""
    return optim.with_decoupled_decay(optax.adam(LEARNING_RATE), 0.1, learning_rate=LEARNING_RATE)


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(prog="python -m examples.equinox_mlp", description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args(arguments).steps
    data = digits()
    train_x, train_y = data.pool_x[:ROWS], data.pool_y[:ROWS]
    init_key, train_key = random.split(jax.random.key(0))
    params, static = eqx.partition(Model(init_key), eqx.is_inexact_array)
    stats, optimizer = norm.init_batch_norm(128)[1], make_optimizer()
    opt_state = optimizer.init(params)

    @jax.jit
    def step(params: Any, stats: Any, opt_state: Any, key: jax.Array) -> tuple[Any, Any, Any]:
        rows_key, model_key = random.split(key)
        rows = jax.random.permutation(rows_key, ROWS)[:64]
        x, y = jnp.asarray(train_x)[rows], jnp.asarray(train_y)[rows]

        def loss(params: Any) -> tuple[jax.Array, Any]:
            logits, new_stats = eqx.combine(params, static)(model_key, stats, x, 0.3)
            return optax.softmax_cross_entropy(logits, y).mean(), new_stats

        gradients, stats_after = jax.grad(loss, has_aux=True)(params)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), stats_after, opt_state

    for i in range(steps):
        params, stats, opt_state = step(params, stats, opt_state, random.fold_in(train_key, i))
    logits, _ = jax.jit(lambda params: eqx.combine(params, static)(None, stats, data.test_x, 0.3))(params)
    accuracy = float(jnp.mean(logits.argmax(1) == data.test_y.argmax(1)))
    print(f"test accuracy after {steps} steps: {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    sys.exit(main() < 0.5)
