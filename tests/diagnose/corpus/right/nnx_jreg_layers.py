"""jreg's layers in an nnx model, taken apart for `train.make_step`."""

import jax
import jax.numpy as jnp
import optax
from flax import nnx as flax_nnx

from jreg import nnx, train


class Model(flax_nnx.Module):
    def __init__(self, rngs):
        self.first, self.second = flax_nnx.Linear(8, 16, rngs=rngs), flax_nnx.Linear(16, 2, rngs=rngs)
        self.norm, self.dropout = nnx.BatchNorm(16, rngs=rngs), nnx.Dropout(0.2, rngs=rngs)

    def __call__(self, x):
        return self.second(self.dropout(flax_nnx.relu(self.norm(self.first(x)))))


def program():
    params, model_state, apply = nnx.as_function(Model(flax_nnx.Rngs(0)))

    def loss_fn(params, model_state, key, batch, hyper):
        out, model_state = apply(params, model_state, key, batch[0])
        return jnp.mean((out - batch[1]) ** 2), (model_state, {})

    state = train.init_state(params, optax.sgd(0.1), model_state)
    batch = jnp.ones((16, 8)), jnp.ones((16, 2))
    return train.make_step(loss_fn, optax.sgd(0.1)), state, jax.random.key(0), batch, None
