"""Batch norm over four examples."""

import flax.linen as nn
import jax
import jax.numpy as jnp

CODE = "batch-norm-of-few"


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.relu(nn.BatchNorm(use_running_average=False)(nn.Dense(16)(x))))


def loss(params, stats, x, y):
    out, updated = Model().apply({"params": params, "batch_stats": stats}, x, mutable=["batch_stats"])
    return jnp.mean((out - y) ** 2), updated


def program():
    x = jnp.ones((4, 8))
    variables = jax.eval_shape(lambda: Model().init(jax.random.key(0), x))
    fn = jax.value_and_grad(loss, has_aux=True)
    return fn, variables["params"], variables["batch_stats"], x, jnp.ones((4, 2))
