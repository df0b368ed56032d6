"""A lifted vmap over examples that splits the key of dropout."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.Dropout(0.1, deterministic=False)(nn.relu(nn.Dense(8)(x))))


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        mapped = nn.vmap(Block, variable_axes={"params": None}, split_rngs={"params": False, "dropout": True})
        return mapped()(x)


def loss(params, key, x, y):
    return jnp.mean((Model().apply(params, x, rngs={"dropout": key}) - y) ** 2)


def program():
    x = jnp.ones((16, 8))
    rngs = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    params = jax.eval_shape(lambda: Model().init(rngs, x))
    return jax.grad(loss), params, jax.random.key(0), x, jnp.ones((16, 2))
