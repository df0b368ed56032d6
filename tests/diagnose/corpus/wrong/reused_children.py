"""The key is split twice, and the first children, which are the same, are both drawn from."""

import jax
import jax.numpy as jnp

from jreg import noise, random

CODE = "key-reused"


def apply(params, key, x):
    first_key, _ = random.split(key)
    return noise.dropout(first_key, jax.nn.relu(x @ params["first"]), 0.2) @ params["second"]


def loss(params, key, x, y):
    noise_key, _ = random.split(key)
    return jnp.mean((apply(params, key, noise.gaussian_noise(noise_key, x, 0.1)) - y) ** 2)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
