"""The key is made where it is used."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "key-constant"


def loss(params, x, y):
    h = noise.dropout(jax.random.key(0), jax.nn.relu(x @ params["first"]), 0.5)
    return jnp.mean((h @ params["second"] - y) ** 2)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return jax.grad(loss), params, jnp.ones((16, 8)), jnp.ones((16, 2))
