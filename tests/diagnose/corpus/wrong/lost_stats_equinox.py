"""equinox's state is dropped."""

import equinox as eqx
import jax
import jax.numpy as jnp

CODE = "batch-norm-stats-lost"


class Model(eqx.Module):
    linear: eqx.nn.Linear
    norm: eqx.nn.BatchNorm

    def __init__(self, key):
        self.linear = eqx.nn.Linear(8, 16, key=key)
        self.norm = eqx.nn.BatchNorm(16, axis_name="batch", mode="batch")

    def __call__(self, x, state):
        return self.norm(self.linear(x), state)


def loss(model, state, x, y):
    out, _ = jax.vmap(model, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(x, state)
    return jnp.mean((out - y) ** 2)


def program():
    model, state = eqx.filter_eval_shape(eqx.nn.make_with_state(Model), jax.random.key(0))
    return eqx.filter_value_and_grad(loss), model, state, jnp.ones((16, 8)), jnp.ones((16, 16))
