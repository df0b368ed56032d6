"""A while loop carries its key and never splits it."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "key-shared-by-loop"


def loss(params, key, x, y):
    return jnp.mean((noise.dropout(key, jnp.tanh(x @ params["first"]), 0.5) @ params["second"] - y) ** 2)


def train(params, key, x, y):
    def step(i, carry):
        params, key = carry
        gradients = jax.grad(loss)(params, key, x, y)
        return jax.tree.map(lambda w, g: w - 0.1 * g, params, gradients), key

    return jax.lax.fori_loop(0, 10, step, (params, key))[0]


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return train, params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
