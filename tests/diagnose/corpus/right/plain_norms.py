"""Layer norm, group norm, instance norm, RMS norm and standardized weights, with dropout before them: none is a batch
norm."""

import jax
import jax.numpy as jnp

from jreg import noise, norm


def normalized(x, axes):
    return (x - x.mean(axes, keepdims=True)) / jnp.sqrt(x.var(axes, keepdims=True) + 1e-5)


def loss(params, key, x, y):
    x = noise.spatial_dropout(key, x, 0.2)
    kernel = norm.standardize_weights(params["conv"])
    x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    x = normalized(x.reshape(*x.shape[:3], 4, 2), (1, 2, 4)).reshape(x.shape)
    x = normalized(normalized(x, (1, 2)), -1)
    x = x * jax.lax.rsqrt(jnp.mean(x**2, -1, keepdims=True) + 1e-6)
    head = normalized(params["head"], 0)
    return jnp.mean((x.mean((1, 2)) @ head - y) ** 2)


def program():
    params = {"conv": jnp.ones((3, 3, 3, 8)), "head": jnp.ones((8, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((4, 8, 8, 3)), jnp.ones((4, 2))
