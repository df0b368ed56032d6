"""Dropout behind the last batch norm, and the statistics returned."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Model(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        for _ in range(2):
            x = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Dense(16)(x)))
        return nn.Dense(2)(nn.Dropout(0.5, deterministic=not train)(x))


def loss(params, stats, key, x, y):
    variables = {"params": params, "batch_stats": stats}
    out, updated = Model().apply(variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": key})
    return jnp.mean((out - y) ** 2), updated


def program():
    x = jnp.ones((16, 8))
    variables = jax.eval_shape(lambda: Model().init(jax.random.key(0), x, train=False))
    fn = jax.value_and_grad(loss, has_aux=True)
    return fn, variables["params"], variables["batch_stats"], jax.random.key(0), x, jnp.ones((16, 2))
