"""Models at several rates in one vmap, which share their noise so that they can be compared."""

import jax
import jax.numpy as jnp

from jreg import noise


def loss(params, rate, key, x, y):
    h = noise.dropout(key, jax.nn.relu(x @ params["first"]), rate)
    return jnp.mean((h @ params["second"] - y) ** 2)


def losses(params, rates, key, x, y):
    return jax.vmap(jax.grad(loss), in_axes=(0, 0, None, None, None))(params, rates, key, x, y)


def program():
    params = {"first": jnp.ones((4, 8, 16)), "second": jnp.ones((4, 16, 2))}
    return losses, params, jnp.linspace(0, 0.5, 4), jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
