"""A keep probability where haiku takes a rate."""

import haiku as hk
import jax
import jax.numpy as jnp

CODE = "rate-high"


def network(x):
    return hk.Linear(2)(hk.dropout(hk.next_rng_key(), 0.9, jax.nn.relu(hk.Linear(16)(x))))


MODEL = hk.transform(network)


def loss(params, key, x, y):
    return jnp.mean((MODEL.apply(params, key, x) - y) ** 2)


def program():
    x = jnp.ones((16, 8))
    params = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), x))
    return jax.grad(loss), params, jax.random.key(0), x, jnp.ones((16, 2))
