"""Stacked equinox layers in a scan over layers and keys."""

import equinox as eqx
import jax
import jax.numpy as jnp


def loss(layers, key, x, y):
    arrays, static = eqx.partition(layers, eqx.is_array)

    def body(x, sliced):
        arrays, key = sliced
        x = jax.nn.relu(jax.vmap(eqx.combine(arrays, static))(x))
        return eqx.nn.Dropout(0.1)(x, key=key), None

    keys = jax.random.split(key, 3)
    return jnp.mean((jax.lax.scan(body, x, (arrays, keys))[0] - y) ** 2)


def program():
    def init(key):
        return eqx.filter_vmap(lambda key: eqx.nn.Linear(8, 8, key=key))(jax.random.split(key, 3))

    layers = eqx.filter_eval_shape(init, jax.random.key(0))
    return eqx.filter_value_and_grad(loss), layers, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 8))
