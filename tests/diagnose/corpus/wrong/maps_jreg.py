"""The same by hand, with jreg's dropout."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "dropout-on-maps"


def convolve(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def loss(params, key, x, y):
    x = noise.dropout(key, jax.nn.relu(convolve(x, params["first"])), 0.3)
    x = jax.nn.relu(convolve(x, params["second"])).mean((1, 2))
    return jnp.mean((x @ params["head"] - y) ** 2)


def program():
    params = {"first": jnp.ones((3, 3, 3, 8)), "second": jnp.ones((3, 3, 8, 8)), "head": jnp.ones((8, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((8, 12, 12, 3)), jnp.ones((8, 2))
