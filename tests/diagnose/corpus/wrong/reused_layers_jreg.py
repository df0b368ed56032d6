"""Two layers draw their masks from one key."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "key-reused"


def loss(params, key, x, y):
    x = noise.dropout(key, jax.nn.relu(x @ params["first"]), 0.5)
    x = noise.dropout(key, jax.nn.relu(x @ params["second"]), 0.5)
    return jnp.mean((x @ params["third"] - y) ** 2)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 16)), "third": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
