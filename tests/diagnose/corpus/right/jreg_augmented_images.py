"""A chain of augmentations, each with its own key, on a batch of images."""

import jax
import jax.numpy as jnp

from jreg import augment, noise, random, targets


def transform(key, images):
    flip_key, crop_key, erase_key = random.split(key, 3)
    images = augment.random_flip(flip_key, images, 0.5)
    images = augment.random_crop(crop_key, images, size=(8, 8), padding=2)
    return augment.random_erase(erase_key, images, 0.25)


def loss(params, key, images, labels):
    augment_key, drop_key = random.split(key)
    x = transform(augment_key, images).reshape(len(images), -1)
    x = noise.dropout(drop_key, jax.nn.relu(x @ params["first"]), 0.5)
    return targets.smoothed_cross_entropy(x @ params["head"], labels, 0.1)


def program():
    params = {"first": jnp.ones((192, 16)), "head": jnp.ones((16, 10))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8, 8, 3)), jnp.ones(16, int)
