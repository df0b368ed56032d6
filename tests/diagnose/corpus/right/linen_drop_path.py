"""Stochastic depth as flax users write it, by dropout that is broadcast; ConvNeXt's blocks around it."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, deterministic):
        y = nn.Conv(8, (7, 7), feature_group_count=8)(x)
        y = nn.Dense(8)(nn.gelu(nn.Dense(32)(nn.LayerNorm()(y))))
        return x + nn.Dropout(0.1, broadcast_dims=(1, 2, 3))(y, deterministic=deterministic)


class Model(nn.Module):
    @nn.compact
    def __call__(self, x, deterministic):
        x = nn.Conv(8, (4, 4), (4, 4))(x)
        for _ in range(2):
            x = Block()(x, deterministic)
        return nn.Dense(2)(x.mean((1, 2)))


def loss(params, key, x, y):
    return jnp.mean((Model().apply(params, x, False, rngs={"dropout": key}) - y) ** 2)


def program():
    x = jnp.ones((4, 32, 32, 3))
    params = jax.eval_shape(lambda: Model().init(jax.random.key(0), x, True))
    return jax.grad(loss), params, jax.random.key(0), x, jnp.ones((4, 2))
