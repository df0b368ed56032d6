"""The model of nnx is merged inside the loss, and its new state stays there."""

import jax.numpy as jnp
from flax import nnx

CODE = "batch-norm-stats-lost"


def program():
    graph, state = nnx.split(nnx.eval_shape(lambda: nnx.BatchNorm(8, rngs=nnx.Rngs(0))))

    def loss(state, x):
        return jnp.mean((nnx.merge(graph, state)(x) - 1.0) ** 2)

    return loss, state, jnp.ones((16, 8))
