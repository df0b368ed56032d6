"""The validation loss of a training loss, noise and all."""

import jax
import jax.numpy as jnp

from jreg import noise

CODE = "noise-in-evaluation"


def loss(params, key, x, y):
    x = noise.gaussian_noise(key, x, 0.1)
    return jnp.mean((jax.nn.relu(x @ params["first"]) @ params["second"] - y) ** 2)


def eval_step(params, key, x, y):
    return {"loss": loss(params, key, x, y)}


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return eval_step, params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
