"""in_axes=(0, None): every example of the batch gets the key of the batch."""

import equinox as eqx
import jax
import jax.numpy as jnp

CODE = "key-shared-by-vmap"


class Model(eqx.Module):
    first: eqx.nn.Linear
    dropout: eqx.nn.Dropout
    second: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key)
        self.first, self.second = eqx.nn.Linear(8, 16, key=keys[0]), eqx.nn.Linear(16, 2, key=keys[1])
        self.dropout = eqx.nn.Dropout(0.3)

    def __call__(self, x, key):
        return self.second(self.dropout(jax.nn.relu(self.first(x)), key=key))


def loss(model, key, x, y):
    return jnp.mean((jax.vmap(model, in_axes=(0, None))(x, key) - y) ** 2)


def program():
    model = eqx.filter_eval_shape(Model, jax.random.key(0))
    return eqx.filter_value_and_grad(loss), model, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
