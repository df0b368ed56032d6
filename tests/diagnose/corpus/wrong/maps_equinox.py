"""Elements of maps are dropped in equinox, behind a pooling."""

import equinox as eqx
import jax
import jax.numpy as jnp

CODE = "dropout-on-maps"


class Model(eqx.Module):
    first: eqx.nn.Conv2d
    second: eqx.nn.Conv2d

    def __init__(self, key):
        keys = jax.random.split(key)
        self.first, self.second = eqx.nn.Conv2d(3, 8, 3, key=keys[0]), eqx.nn.Conv2d(8, 8, 3, key=keys[1])

    def __call__(self, x, key):
        x = eqx.nn.MaxPool2d(2, 2)(jax.nn.relu(self.first(x)))
        return jax.nn.relu(self.second(eqx.nn.Dropout(0.3)(x, key=key))).mean((1, 2))


def loss(model, key, x, y):
    return jnp.mean((jax.vmap(model)(x, jax.random.split(key, len(x))) - y) ** 2)


def program():
    model = eqx.filter_eval_shape(Model, jax.random.key(0))
    return eqx.filter_value_and_grad(loss), model, jax.random.key(0), jnp.ones((4, 3, 12, 12)), jnp.ones((4, 8))
