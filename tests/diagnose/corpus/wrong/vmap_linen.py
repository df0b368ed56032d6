"""flax#4973: a lifted vmap over examples that does not split the key of dropout."""

import flax.linen as nn
import jax
import jax.numpy as jnp

CODE = "key-shared-by-vmap"


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.Dropout(0.1, deterministic=False)(nn.relu(nn.Dense(8)(x))))


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.vmap(Block, variable_axes={"params": None}, split_rngs={"params": False, "dropout": False})()(x)


def loss(params, key, x, y):
    return jnp.mean((Model().apply(params, x, rngs={"dropout": key}) - y) ** 2)


def program():
    x = jnp.ones((16, 8))
    rngs = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    params = jax.eval_shape(lambda: Model().init(rngs, x))
    return jax.grad(loss), params, jax.random.key(0), x, jnp.ones((16, 2))
