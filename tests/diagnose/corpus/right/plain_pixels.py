"""Dropout on images of bytes, scaled to floats."""

import jax
import jax.numpy as jnp

from jreg import noise


def loss(params, key, images, y):
    x = noise.dropout(key, images.astype(jnp.float32) / 255.0, 0.2).reshape(len(images), -1)
    return jnp.mean((jax.nn.relu(x @ params["first"]) @ params["second"] - y) ** 2)


def program():
    params = {"first": jnp.ones((64, 16)), "second": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8, 8), jnp.uint8), jnp.ones((16, 2))
