"""Alpha dropout in a SELU network, Gaussian noise on its input and Gaussian dropout on its features."""

import jax
import jax.numpy as jnp

from jreg import noise, random


def loss(params, key, x, y):
    keys = random.split(key, 3)
    x = noise.gaussian_noise(keys[0], x, 0.1)
    x = noise.alpha_dropout(keys[1], jax.nn.selu(x @ params["first"]), 0.1)
    x = noise.gaussian_dropout(keys[2], jax.nn.selu(x @ params["second"]), 0.1)
    return jnp.mean((x @ params["third"] - y) ** 2)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 16)), "third": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
