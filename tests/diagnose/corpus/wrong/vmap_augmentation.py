"""One flip for the whole batch, since the transform of one image closes over the key."""

import jax
import jax.numpy as jnp

from jreg import augment

CODE = "key-shared-by-vmap"


def loss(params, key, images, y):
    images = jax.vmap(lambda image: augment.random_flip(key, image, 0.5))(images)
    return jnp.mean((images.reshape(len(images), -1) @ params["kernel"] + params["bias"] - y) ** 2)


def program():
    params = {"kernel": jnp.ones((192, 2)), "bias": jnp.zeros(2)}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8, 8, 3)), jnp.ones((16, 2))
