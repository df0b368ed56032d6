"""Single elements of maps are dropped between plain convolutions."""

import flax.linen as nn
import jax
import jax.numpy as jnp

CODE = "dropout-on-maps"


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.max_pool(nn.relu(nn.Conv(8, (3, 3))(x)), (2, 2), strides=(2, 2))
        x = nn.Dropout(0.25, deterministic=False)(x)
        x = nn.relu(nn.Conv(16, (3, 3))(x))
        return nn.Dense(2)(x.reshape((x.shape[0], -1)))


def loss(params, key, x, y):
    return jnp.mean((Model().apply(params, x, rngs={"dropout": key}) - y) ** 2)


def program():
    x = jnp.ones((8, 8, 8, 3))
    params = jax.eval_shape(lambda: Model().init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, x))
    return jax.grad(loss), params, jax.random.key(0), x, jnp.ones((8, 2))
