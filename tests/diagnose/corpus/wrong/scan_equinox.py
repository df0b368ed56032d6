"""Stacked equinox layers in a scan, which closes over the key."""

import equinox as eqx
import jax
import jax.numpy as jnp

CODE = "key-shared-by-loop"


def loss(layers, key, x, y):
    arrays, static = eqx.partition(layers, eqx.is_array)

    def body(x, arrays):
        x = jax.nn.relu(jax.vmap(eqx.combine(arrays, static))(x))
        return eqx.nn.Dropout(0.1)(x, key=key), None

    return jnp.mean((jax.lax.scan(body, x, arrays)[0] - y) ** 2)


def program():
    def init(key):
        return eqx.filter_vmap(lambda key: eqx.nn.Linear(8, 8, key=key))(jax.random.split(key, 3))

    layers = eqx.filter_eval_shape(init, jax.random.key(0))
    return eqx.filter_value_and_grad(loss), layers, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 8))
