"""Maps lose whole channels or blocks, and the features before the head single elements."""

import jax
import jax.numpy as jnp

from jreg import noise, random


def convolve(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def loss(params, key, x, y):
    spatial_key, block_key, drop_key = random.split(key, 3)
    x = noise.spatial_dropout(spatial_key, jax.nn.relu(convolve(x, params["first"])), 0.1)
    x = noise.dropblock(block_key, jax.nn.relu(convolve(x, params["second"])), 0.1, block_size=3)
    x = jax.nn.relu(convolve(x, params["third"])).mean((1, 2))
    return jnp.mean((noise.dropout(drop_key, x, 0.5) @ params["head"] - y) ** 2)


def program():
    kernel = jnp.ones((3, 3, 8, 8))
    params = {"first": jnp.ones((3, 3, 3, 8)), "second": kernel, "third": kernel, "head": jnp.ones((8, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((8, 12, 12, 3)), jnp.ones((8, 2))
