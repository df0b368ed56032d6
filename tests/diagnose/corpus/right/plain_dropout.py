"""Dropout by hand, in two spellings."""

import jax
import jax.numpy as jnp


def loss(params, key, x, y):
    first_key, second_key = jax.random.split(key)
    h = jax.nn.relu(x @ params[0])
    h = jnp.where(jax.random.bernoulli(first_key, 0.7, h.shape), h / 0.7, 0.0)
    h = jax.nn.relu(h @ params[1])
    h = h * (jax.random.uniform(second_key, h.shape) > 0.3) / 0.7
    return jnp.mean((h @ params[2] - y) ** 2)


def program():
    params = [jnp.ones((8, 16)), jnp.ones((16, 16)), jnp.ones((16, 2))]
    return jax.jit(jax.grad(loss)), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
