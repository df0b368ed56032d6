"""The network with dropout of our table of seeds."""

import jax
import jax.numpy as jnp

from examples import seed_table
from jreg import targets


def loss(params, stats, key, x, labels, hyper):
    logits, stats = seed_table.apply("dropout", params, stats, key, x, hyper)
    return targets.smoothed_cross_entropy(logits, labels, 0.0), stats


def program():
    params, stats = jax.eval_shape(lambda key: seed_table.init(key, "dropout"), jax.random.key(0))
    hyper = {"rate": jnp.float32(0.4), "decay": jnp.float32(0.001)}
    rows = jnp.ones((32, seed_table.WIDTHS[0])), jnp.ones(32, int)
    return jax.grad(loss, has_aux=True), params, stats, jax.random.key(0), *rows, hyper
