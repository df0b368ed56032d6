"""The same in a Python loop: every step draws the same mask on the same line, through the same kernels."""

import jax
import jax.numpy as jnp

from jreg import noise


def loss(params, key, inputs, labels):
    state = jnp.zeros((inputs.shape[1], 8))
    for x in inputs:
        state = jnp.tanh(x @ params["in"] + state @ params["state"])
        state = noise.dropout(key, state, 0.3)
    return jnp.mean((state @ params["head"] - labels) ** 2)


def program():
    params = {"in": jnp.ones((4, 8)), "state": jnp.ones((8, 8)), "head": jnp.ones((8, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((5, 16, 4)), jnp.ones((16, 2))
