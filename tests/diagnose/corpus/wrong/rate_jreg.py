"""The same in jreg, with a rate that is an argument."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "rate-high"


def loss(params, key, x, y, rate):
    return jnp.mean((noise.dropout(key, jax.nn.relu(x @ params["first"]), rate) @ params["second"] - y) ** 2)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2)), jnp.float32(0.95)
