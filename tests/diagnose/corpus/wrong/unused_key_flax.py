"""The loss splits its key for dropout, but the model runs in its deterministic mode."""

import flax.linen as nn
import jax
import jax.numpy as jnp

CODE = "key-unused"


class Model(nn.Module):
    @nn.compact
    def __call__(self, x, deterministic=True):
        return nn.Dense(2)(nn.Dropout(0.2)(nn.relu(nn.Dense(16)(x)), deterministic=deterministic))


def loss(params, key, x, y):
    return jnp.mean((Model().apply(params, x, rngs={"dropout": key}) - y) ** 2)


def program():
    x = jnp.ones((16, 8))
    params = jax.eval_shape(lambda: Model().init(jax.random.key(0), x))
    return jax.value_and_grad(loss), params, jax.random.key(0), x, jnp.ones((16, 2))
