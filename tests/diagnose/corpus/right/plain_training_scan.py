"""A training loop in a scan, with the step folded into the key."""

import jax
import jax.numpy as jnp

from jreg import noise


def loss(params, key, x, y):
    return jnp.mean((noise.dropout(key, jnp.tanh(x @ params["first"]), 0.5) @ params["second"] - y) ** 2)


def train(params, key, x, y):
    def step(params, i):
        gradients = jax.grad(loss)(params, jax.random.fold_in(key, i), x, y)
        return jax.tree.map(lambda w, g: w - 0.1 * g, params, gradients), None

    return jax.lax.scan(step, params, jnp.arange(10))[0]


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return train, params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
