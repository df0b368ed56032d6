"""The same in flax, with optax's loss."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

CODE = "dropout-on-logits"


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dropout(0.2, deterministic=False)(nn.Dense(10)(nn.relu(nn.Dense(16)(x))))


def loss(params, key, x, labels):
    logits = Model().apply(params, x, rngs={"dropout": key})
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def program():
    x = jnp.ones((16, 8))
    params = jax.eval_shape(lambda: Model().init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, x))
    return jax.grad(loss), params, jax.random.key(0), x, jnp.ones(16, int)
