"""Wide residual networks drop between two convolutions of a block; the next batch norm reads the sum with the skip."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        y = nn.relu(nn.BatchNorm(use_running_average=not train)(x))
        y = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Conv(8, (3, 3))(y)))
        return x + nn.Conv(8, (3, 3))(nn.Dropout(0.3, deterministic=not train)(y))


class Model(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.Conv(8, (3, 3))(x)
        for _ in range(2):
            x = Block()(x, train)
        return nn.Dense(2)(nn.relu(nn.BatchNorm(use_running_average=not train)(x)).mean((1, 2)))


def loss(params, stats, key, x, y):
    variables = {"params": params, "batch_stats": stats}
    out, updated = Model().apply(variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": key})
    return jnp.mean((out - y) ** 2), updated


def program():
    x = jnp.ones((8, 8, 8, 3))
    variables = jax.eval_shape(lambda: Model().init(jax.random.key(0), x, train=False))
    fn = jax.value_and_grad(loss, has_aux=True)
    return fn, variables["params"], variables["batch_stats"], jax.random.key(0), x, jnp.ones((8, 2))
