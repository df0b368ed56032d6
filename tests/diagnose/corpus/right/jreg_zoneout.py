"""Zoneout with a key for each time step."""

import jax
import jax.numpy as jnp

from jreg import noise, random


def loss(params, key, inputs, labels):
    def step(state, sliced):
        key, x = sliced
        proposed = jnp.tanh(x @ params["in"] + state @ params["state"])
        return noise.zoneout(key, state, proposed, 0.1), None

    keys = random.split_array(key, len(inputs))
    state = jax.lax.scan(step, jnp.zeros((inputs.shape[1], 8)), (keys, inputs))[0]
    return jnp.mean((state @ params["head"] - labels) ** 2)


def program():
    params = {"in": jnp.ones((4, 8)), "state": jnp.ones((8, 8)), "head": jnp.ones((8, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((12, 16, 4)), jnp.ones((16, 2))
