"""Batch norm with stochastic depth on each branch, the usual recipe of convolutional networks."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        y = nn.swish(nn.BatchNorm(use_running_average=not train)(nn.Conv(8, (3, 3), use_bias=False)(x)))
        y = nn.BatchNorm(use_running_average=not train)(nn.Conv(8, (1, 1), use_bias=False)(y))
        return x + nn.Dropout(0.2, broadcast_dims=(1, 2, 3), deterministic=not train)(y)


class Model(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.Conv(8, (3, 3), (2, 2))(x)
        for _ in range(2):
            x = Block()(x, train)
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(2)(nn.Dropout(0.3, deterministic=not train)(x.mean((1, 2))))


def loss(params, stats, key, x, y):
    variables = {"params": params, "batch_stats": stats}
    out, updated = Model().apply(variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": key})
    return jnp.mean((out - y) ** 2), updated


def program():
    x = jnp.ones((8, 16, 16, 3))
    variables = jax.eval_shape(lambda: Model().init(jax.random.key(0), x, train=False))
    fn = jax.value_and_grad(loss, has_aux=True)
    return fn, variables["params"], variables["batch_stats"], jax.random.key(0), x, jnp.ones((8, 2))
