"""Fold the number of a layer, split for the rest: layer 1 gets the key that the head gets."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "key-split-and-folded"


def loss(params, key, x, y):
    for i, kernel in enumerate(params["hidden"]):
        x = noise.dropout(jax.random.fold_in(key, i + 1), jax.nn.relu(x @ kernel), 0.2)
    keys = jax.random.split(key, 3)
    x = x + noise.gaussian_noise(keys[0], x, 0.1)
    return jnp.mean((x @ params["head"] - y) ** 2)


def program():
    params = {"hidden": [jnp.ones((16, 16))] * 2, "head": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 16)), jnp.ones((16, 2))
