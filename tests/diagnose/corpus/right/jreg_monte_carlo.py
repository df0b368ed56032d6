"""Monte Carlo dropout: an evaluation that is noisy on purpose, with a vmap over keys."""

import jax
import jax.numpy as jnp

from jreg import noise, random


def evaluate(params, key, x):
    def sample(key):
        return jax.nn.softmax(noise.dropout(key, jax.nn.relu(x @ params["first"]), 0.2) @ params["head"])

    return jax.vmap(sample)(random.split_array(key, 10)).mean(0)


def program():
    params = {"first": jnp.ones((8, 16)), "head": jnp.ones((16, 10))}
    return evaluate, params, jax.random.key(0), jnp.ones((16, 8))
