"""The evaluation forgets deterministic=True."""

import flax.linen as nn
import jax
import jax.numpy as jnp

CODE = "noise-in-evaluation"


class Model(nn.Module):
    deterministic: bool = False

    @nn.compact
    def __call__(self, x):
        return nn.Dense(10)(nn.Dropout(0.2, deterministic=self.deterministic)(nn.relu(nn.Dense(16)(x))))


def evaluate(params, key, x, labels):
    return jnp.mean(Model().apply(params, x, rngs={"dropout": key}).argmax(-1) == labels)


def program():
    x = jnp.ones((16, 8))
    params = jax.eval_shape(lambda: Model(deterministic=True).init(jax.random.key(0), x))
    return evaluate, params, jax.random.key(0), x, jnp.ones(16, int)
