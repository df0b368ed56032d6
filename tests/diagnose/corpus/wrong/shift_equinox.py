"""equinox: the same, over a named vmap."""

import equinox as eqx
import jax
import jax.numpy as jnp

CODE = "dropout-before-batch-norm"


class Model(eqx.Module):
    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    second: eqx.nn.Linear
    dropout: eqx.nn.Dropout

    def __init__(self, key):
        keys = jax.random.split(key)
        self.first, self.second = eqx.nn.Linear(8, 16, key=keys[0]), eqx.nn.Linear(16, 2, key=keys[1])
        self.norm, self.dropout = eqx.nn.BatchNorm(16, axis_name="batch", mode="batch"), eqx.nn.Dropout(0.3)

    def __call__(self, x, key, state):
        x, state = self.norm(self.dropout(jax.nn.relu(self.first(x)), key=key), state)
        return self.second(x), state


def loss(model, state, key, x, y):
    mapped = jax.vmap(model, axis_name="batch", in_axes=(0, 0, None), out_axes=(0, None))
    out, state = mapped(x, jax.random.split(key, len(x)), state)
    return jnp.mean((out - y) ** 2), state


def program():
    model, state = eqx.filter_eval_shape(eqx.nn.make_with_state(Model), jax.random.key(0))
    fn = eqx.filter_value_and_grad(loss, has_aux=True)
    return fn, model, state, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
