"""The same network in an evaluation, with its running statistics and without a key."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class Model(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(16)(x))
        return nn.Dense(10)(nn.Dropout(0.5, deterministic=not train)(nn.relu(x)))


def evaluate(variables, x, labels):
    return jnp.mean(Model().apply(variables, x, train=False).argmax(-1) == labels)


def program():
    x = jnp.ones((2, 8))
    variables = jax.eval_shape(lambda: Model().init(jax.random.key(0), x, train=False))
    return evaluate, variables, x, jnp.ones(2, int)
