"""Noise on the inputs, the same in every call."""

import jax
import jax.numpy as jnp

CODE = "key-constant"


def loss(params, x, y):
    x = x + 0.1 * jax.random.normal(jax.random.PRNGKey(0), x.shape)
    return jnp.mean((jax.nn.relu(x @ params["first"]) @ params["second"] - y) ** 2)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return jax.jit(jax.grad(loss)), params, jnp.ones((16, 8)), jnp.ones((16, 2))
