"""Noise on weights, also per example."""

import jax
import jax.numpy as jnp

from jreg import noise, random


def loss(params, key, x, y):
    connect_key, weight_key, dense_key = random.split(key, 3)
    params = {**params, "first": noise.dropconnect(connect_key, params["first"], 0.2)}
    params = noise.weight_noise(weight_key, params, 0.01)
    h = noise.dropconnect_dense(dense_key, jax.nn.relu(x @ params["first"]), params["second"], 0.2)
    return jnp.mean((jax.nn.relu(h) @ params["third"] - y) ** 2)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 16)), "third": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
