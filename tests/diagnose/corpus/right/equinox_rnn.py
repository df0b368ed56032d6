"""A GRU over time, and dropout in front of its head."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax


class Model(eqx.Module):
    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear
    dropout: eqx.nn.Dropout

    def __init__(self, key):
        keys = jax.random.split(key)
        self.cell, self.head = eqx.nn.GRUCell(4, 8, key=keys[0]), eqx.nn.Linear(8, 1, key=keys[1])
        self.dropout = eqx.nn.Dropout(0.2)

    def __call__(self, xs, key):
        state, _ = jax.lax.scan(lambda state, x: (self.cell(x, state), None), jnp.zeros(8), xs)
        return self.head(self.dropout(state, key=key))[0]


def loss(model, key, xs, labels):
    logits = jax.vmap(model)(xs, jax.random.split(key, len(xs)))
    return optax.sigmoid_binary_cross_entropy(logits, labels).mean()


def program():
    model = eqx.filter_eval_shape(Model, jax.random.key(0))
    return eqx.filter_value_and_grad(loss), model, jax.random.key(0), jnp.ones((16, 12, 4)), jnp.ones(16)
