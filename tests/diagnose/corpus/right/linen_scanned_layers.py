"""A lifted scan over layers that splits the key of dropout."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        return x + nn.Dropout(0.1, deterministic=False)(nn.relu(nn.Dense(8)(x))), None


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        layers = nn.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True, "dropout": True}, length=3)
        return layers()(x, None)[0]


def loss(params, key, x, y):
    return jnp.mean((Model().apply(params, x, rngs={"dropout": key}) - y) ** 2)


def program():
    x = jnp.ones((16, 8))
    rngs = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    params = jax.eval_shape(lambda: Model().init(rngs, x))
    return jax.grad(loss), params, jax.random.key(0), x, x
