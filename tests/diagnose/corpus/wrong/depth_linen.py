"""jreg's layer in flax, with the sum forgotten."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from jreg import linen

CODE = "depth-without-skip"


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            x = linen.StochasticDepth(0.1, deterministic=False)(nn.relu(nn.Dense(8)(x)))
        return nn.Dense(2)(x)


def loss(params, key, x, y):
    return jnp.mean((Model().apply(params, x, rngs={"dropout": key}) - y) ** 2)


def program():
    x = jnp.ones((16, 8))
    params = jax.eval_shape(lambda: Model().init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, x))
    return jax.grad(loss), params, jax.random.key(0), x, jnp.ones((16, 2))
