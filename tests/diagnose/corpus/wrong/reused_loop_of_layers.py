"""A Python loop over layers hands the same key to each: one line, one mask in every layer."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "key-reused"


def loss(params, key, x, y):
    for kernel in params["hidden"]:
        x = noise.dropout(key, jax.nn.relu(x @ kernel), 0.5)
    return jnp.mean((x @ params["head"] - y) ** 2)


def program():
    params = {"hidden": [jnp.ones((16, 16))] * 3, "head": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 16)), jnp.ones((16, 2))
