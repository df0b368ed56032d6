"""The loss closes over a key that was made beside it; flax."""

import flax.linen as nn
import jax
import jax.numpy as jnp

CODE = "key-constant"


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.Dropout(0.2, deterministic=False)(nn.relu(nn.Dense(16)(x))))


def program():
    key, x = jax.random.key(0), jnp.ones((16, 8))
    params = jax.eval_shape(lambda: Model().init({"params": key, "dropout": key}, x))

    def loss(params, x, y):
        return jnp.mean((Model().apply(params, x, rngs={"dropout": key}) - y) ** 2)

    return jax.grad(loss), params, x, jnp.ones((16, 2))
