"""haiku's dropout with one legacy key taken from the sequence for all layers."""

import haiku as hk
import jax
import jax.numpy as jnp

CODE = "key-reused"


def network(x):
    key = hk.next_rng_key()
    x = hk.dropout(key, 0.3, jax.nn.relu(hk.Linear(16)(x)))
    x = hk.dropout(key, 0.3, jax.nn.relu(hk.Linear(16)(x)))
    return hk.Linear(2)(x)


MODEL = hk.transform(network)


def loss(params, key, x, y):
    return jnp.mean((MODEL.apply(params, key, x) - y) ** 2)


def program():
    x = jnp.ones((16, 8))
    params = jax.eval_shape(lambda: MODEL.init(jax.random.PRNGKey(0), x))
    return jax.grad(loss), params, jax.random.PRNGKey(0), x, jnp.ones((16, 2))
