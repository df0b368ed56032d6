"""One mask for all time steps, on the inputs and on the state: what Gal and Ghahramani do."""

import jax
import jax.numpy as jnp

from jreg import noise, random


def run(params, key, inputs, rate):
    input_key, state_key = random.split(key)
    inputs = noise.variational_dropout(input_key, inputs, rate, time_axis=0)

    def step(state, x):
        state = jnp.tanh(x @ params["in"] + noise.dropout(state_key, state, rate) @ params["state"])
        return state, state

    return jax.lax.scan(step, jnp.zeros((inputs.shape[1], 8)), inputs)[1]


def loss(params, key, inputs, labels):
    return jnp.mean((run(params, key, inputs, 0.3)[-1] @ params["head"] - labels) ** 2)


def program():
    params = {"in": jnp.ones((4, 8)), "state": jnp.ones((8, 8)), "head": jnp.ones((8, 2))}
    return jax.value_and_grad(loss), params, jax.random.key(0), jnp.ones((12, 16, 4)), jnp.ones((16, 2))
