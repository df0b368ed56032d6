"""A key draws a permutation, and then a mask."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "key-split-and-drawn"


def loss(params, key, x, y):
    rows = jax.random.permutation(key, len(x))[:8]
    h = noise.dropout(key, jax.nn.relu(x[rows] @ params["first"]), 0.5)
    return jnp.mean((h @ params["second"] - y[rows]) ** 2)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
