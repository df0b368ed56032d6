"""A haiku model on digits: dropout by a direct call, decay and an L1 prox on its kernels.

    python -m examples.haiku_mlp [--steps 300]

haiku needs no adapter: inside `hk.transform` call the functions of `jreg`, with a key for training noise and None
without. Its params are a dict of dicts, in which the default selection finds the weights `w`. The statistics of
`norm.batch_norm` would be an argument and a result of the network, as in the example for equinox.
"""

import argparse
import sys
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import optax

from jreg import diagnose, noise, optim, random

from .compare.data import digits

LEARNING_RATE, ROWS = 2e-3, 256


def network(x: jax.Array, rate: Any, key: jax.Array | None) -> jax.Array:
    first_key, second_key = random.split(key)
    x = noise.dropout(first_key, jax.nn.relu(hk.Linear(128)(x)), rate)
    x = noise.dropout(second_key, jax.nn.relu(hk.Linear(128)(x)), rate)
    return hk.Linear(10)(x)


def make_optimizer() -> optax.GradientTransformation:
    """Adam, decay on the kernels, and last the prox that makes weights exactly zero."""
    decayed = optim.with_decoupled_decay(optax.adam(LEARNING_RATE), 0.1, learning_rate=LEARNING_RATE)
    return optax.chain(decayed, optim.prox_l1(0.3, LEARNING_RATE))


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(prog="python -m examples.haiku_mlp", description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    steps = parser.parse_args(arguments).steps
    data = digits()
    train_x, train_y = jnp.asarray(data.pool_x[:ROWS]), jnp.asarray(data.pool_y[:ROWS])
    model = hk.without_apply_rng(hk.transform(network))
    init_key, train_key = random.split(jax.random.key(0))
    params, optimizer = model.init(init_key, train_x, 0.0, None), make_optimizer()
    opt_state = optimizer.init(params)

    @jax.jit
    def step(params: Any, opt_state: Any, key: jax.Array) -> tuple[Any, Any]:
        rows_key, model_key = random.split(key)
        rows = jax.random.permutation(rows_key, ROWS)[:64]

        def loss(params: Any) -> jax.Array:
            logits = model.apply(params, train_x[rows], 0.3, model_key)
            return optax.softmax_cross_entropy(logits, train_y[rows]).mean()

        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    for i in range(steps):
        params, opt_state = step(params, opt_state, random.fold_in(train_key, i))
    logits = jax.jit(lambda params: model.apply(params, data.test_x, 0.3, None))(params)
    accuracy = float(jnp.mean(logits.argmax(1) == data.test_y.argmax(1)))
    zeros = float(diagnose.sparsity(params).fraction)
    print(f"test accuracy after {steps} steps: {accuracy:.3f}, weights that are exactly zero: {zeros:.1%}")
    return accuracy


if __name__ == "__main__":
    sys.exit(main() < 0.5)
