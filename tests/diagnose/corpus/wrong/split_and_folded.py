"""Layers fold their index into the key that the augmentation has split."""

import jax
import jax.numpy as jnp

from jreg import noise, random

CODE = "key-split-and-folded"


def loss(params, key, x, y, step):
    noise_key, _ = random.split(key)
    x = noise.gaussian_noise(noise_key, x, 0.1)
    h = noise.dropout(random.fold_in(key, step), jax.nn.relu(x @ params["first"]), 0.5)
    return jnp.mean((h @ params["second"] - y) ** 2)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2)), jnp.array(3)
