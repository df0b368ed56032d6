"""A loop of unknown length carries its key through a jitted step, which gives it back as it came."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "key-shared-by-loop"


def loss(params, key, x, y):
    return jnp.mean((noise.dropout(key, jnp.tanh(x @ params["first"]), 0.5) @ params["second"] - y) ** 2)


@jax.jit
def step(params, key, x, y):
    gradients = jax.grad(loss)(params, key, x, y)
    return jax.tree.map(lambda w, g: w - 0.1 * g, params, gradients), key


def train(params, key, x, y, num_steps):
    return jax.lax.fori_loop(0, num_steps, lambda _, carry: step(*carry, x, y), (params, key))[0]


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return train, params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2)), jnp.array(10)
