"""The updated statistics are an auxiliary result that nobody takes."""

import flax.linen as nn
import jax
import jax.numpy as jnp

CODE = "batch-norm-stats-lost"


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.relu(nn.BatchNorm(use_running_average=False)(nn.Dense(16)(x))))


def loss(params, stats, x, y):
    out, _ = Model().apply({"params": params, "batch_stats": stats}, x, mutable=["batch_stats"])
    return jnp.mean((out - y) ** 2)


def program():
    x = jnp.ones((16, 8))
    variables = jax.eval_shape(lambda: Model().init(jax.random.key(0), x))
    return jax.value_and_grad(loss), variables["params"], variables["batch_stats"], x, jnp.ones((16, 2))
