"""Flax's nnx basics: dropout behind batch norm, the whole model an argument and a result."""

import jax.numpy as jnp
from flax import nnx


class Model(nnx.Module):
    def __init__(self, rngs):
        self.first, self.norm = nnx.Linear(8, 16, rngs=rngs), nnx.BatchNorm(16, rngs=rngs)
        self.dropout, self.second = nnx.Dropout(0.2, rngs=rngs), nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x):
        return self.second(self.dropout(nnx.relu(self.norm(self.first(x)))))


def program():
    graph, state = nnx.split(nnx.eval_shape(lambda: Model(nnx.Rngs(0))))

    def loss(state, x, y):
        model = nnx.merge(graph, state)
        return jnp.mean((model(x) - y) ** 2), nnx.state(model)

    return loss, state, jnp.ones((16, 8)), jnp.ones((16, 2))
