"""Dropout behind the last layer."""

import jax
import jax.numpy as jnp

from jreg import noise, targets

CODE = "dropout-on-logits"


def loss(params, key, x, labels):
    logits = noise.dropout(key, jax.nn.relu(x @ params["first"]) @ params["second"], 0.5)
    return targets.smoothed_cross_entropy(logits, labels, 0.1)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 10))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones(16, int)
