"""flax's dropout is given one explicit key in two places."""

import flax.linen as nn
import jax
import jax.numpy as jnp

CODE = "key-reused"


class Model(nn.Module):
    @nn.compact
    def __call__(self, x, key):
        x = nn.Dropout(0.2, deterministic=False)(nn.relu(nn.Dense(16)(x)), rng=key)
        x = nn.relu(nn.Dense(32)(x))
        return nn.Dense(2)(nn.Dropout(0.2, deterministic=False)(x, rng=key))


def loss(params, key, x, y):
    return jnp.mean((Model().apply(params, x, key) - y) ** 2)


def program():
    x = jnp.ones((16, 8))
    params = jax.eval_shape(lambda: Model().init(jax.random.key(0), x, jax.random.key(1)))
    return jax.grad(loss), params, jax.random.key(0), x, jnp.ones((16, 2))
