"""The loss of one example closes over the key of the batch."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "key-shared-by-vmap"


def loss(params, key, x, y):
    def of_one(x, y):
        h = noise.dropout(key, jax.nn.relu(x @ params["first"]), 0.5)
        return jnp.mean((h @ params["second"] - y) ** 2)

    return jax.vmap(of_one)(x, y).mean()


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
