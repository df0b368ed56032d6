"""Stochastic depth without its skip connection."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "depth-without-skip"


def loss(params, key, x, y):
    x = noise.stochastic_depth(key, jax.nn.relu(x @ params["first"]), 0.2)
    return jnp.mean((x @ params["second"] + params["bias"] - y) ** 2)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2)), "bias": jnp.zeros(2)}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
