"""Validation images are cropped at random."""

import jax
import jax.numpy as jnp

from jreg import augment

CODE = "augmentation-in-evaluation"


def evaluate(params, key, images, labels):
    images = augment.random_crop(key, images, size=(8, 8), padding=2)
    return jnp.mean((images.reshape(len(images), -1) @ params["kernel"] + params["bias"]).argmax(-1) == labels)


def program():
    params = {"kernel": jnp.ones((192, 10)), "bias": jnp.zeros(10)}
    return evaluate, params, jax.random.key(0), jnp.ones((16, 8, 8, 3)), jnp.ones(16, int)
