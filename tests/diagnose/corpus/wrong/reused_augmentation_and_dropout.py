"""The augmentation and the model share a key."""

import jax
import jax.numpy as jnp

from jreg import augment, noise

CODE = "key-reused"


def loss(params, key, images, y):
    images = augment.random_flip(key, images, 0.5)
    x = noise.dropout(key, jax.nn.relu(images.reshape(len(images), -1) @ params["first"]), 0.5)
    return jnp.mean((x @ params["second"] - y) ** 2)


def program():
    params = {"first": jnp.ones((192, 16)), "second": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8, 8, 3)), jnp.ones((16, 2))
