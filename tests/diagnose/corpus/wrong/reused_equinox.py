"""An equinox model that passes its key on to two dropout layers."""

import equinox as eqx
import jax
import jax.numpy as jnp

CODE = "key-reused"


class Model(eqx.Module):
    layers: list
    dropout: eqx.nn.Dropout

    def __init__(self, key):
        self.layers = [eqx.nn.Linear(8, 8, key=each) for each in jax.random.split(key, 3)]
        self.dropout = eqx.nn.Dropout(0.3)

    def __call__(self, x, key):
        for layer in self.layers[:-1]:
            x = self.dropout(jax.nn.relu(layer(x)), key=key)
        return self.layers[-1](x)


def loss(model, key, x, y):
    return jnp.mean((jax.vmap(model)(x, jax.random.split(key, len(x))) - y) ** 2)


def program():
    model = eqx.filter_eval_shape(Model, jax.random.key(0))
    return eqx.filter_value_and_grad(loss), model, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 8))
