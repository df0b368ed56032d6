"""A scan over layers closes over the key: the same units are dropped in each."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "key-shared-by-loop"


def loss(params, key, x, y):
    def layer(x, kernel):
        return x + noise.dropout(key, jax.nn.relu(x @ kernel), 0.2), None

    x, _ = jax.lax.scan(layer, x, params["kernels"])
    return jnp.mean((x @ params["head"] - y) ** 2)


def program():
    params = {"kernels": jnp.ones((4, 8, 8)), "head": jnp.ones((8, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
