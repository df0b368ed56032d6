"""A training loop whose steps all use the key that they close over."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "key-shared-by-loop"


def loss(params, key, x, y):
    return jnp.mean((noise.dropout(key, jnp.tanh(x @ params["first"]), 0.5) @ params["second"] - y) ** 2)


def train(params, key, batches):
    def step(params, batch):
        gradients = jax.grad(loss)(params, key, *batch)
        return jax.tree.map(lambda w, g: w - 0.1 * g, params, gradients), None

    return jax.lax.scan(step, params, batches)[0]


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return train, params, jax.random.key(0), (jnp.ones((10, 16, 8)), jnp.ones((10, 16, 2)))
