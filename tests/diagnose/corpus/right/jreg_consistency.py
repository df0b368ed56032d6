"""Two noisy views of the same batch, with a key each, must agree."""

import jax
import jax.numpy as jnp

from jreg import noise, random, targets


def apply(params, key, x):
    return noise.dropout(key, jax.nn.relu(x @ params["first"]), 0.2) @ params["head"]


def loss(params, key, x, labels):
    first_key, second_key = random.split(key)
    first, second = apply(params, first_key, x), apply(params, second_key, x)
    return targets.smoothed_cross_entropy(first, labels, 0.1) + targets.consistency(first, second)


def program():
    params = {"first": jnp.ones((8, 16)), "head": jnp.ones((16, 10))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones(16, int)
