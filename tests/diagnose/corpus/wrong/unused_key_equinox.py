"""A model in its inference mode is trained."""

import equinox as eqx
import jax
import jax.numpy as jnp

CODE = "key-unused"


def loss(model, key, x, y):
    first, dropout, second = model
    keys = jax.random.split(key, len(x))
    out = jax.vmap(lambda x, key: second(dropout(jax.nn.relu(first(x)), key=key)))(x, keys)
    return jnp.mean((out - y) ** 2)


def program():
    keys = jax.random.split(jax.random.key(0))
    model = eqx.nn.Linear(8, 16, key=keys[0]), eqx.nn.Dropout(0.5), eqx.nn.Linear(16, 2, key=keys[1])
    fn = eqx.filter_value_and_grad(loss)
    return fn, eqx.nn.inference_mode(model), jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
