"""jreg's functions inside haiku, as in our example."""

import haiku as hk
import jax
import jax.numpy as jnp

from examples.haiku_mlp import network

MODEL = hk.without_apply_rng(hk.transform(network))


def loss(params, key, x, y):
    return jnp.mean((MODEL.apply(params, x, 0.3, key) - y) ** 2)


def program():
    x = jnp.ones((16, 64))
    params = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), x, 0.0, None))
    return jax.value_and_grad(loss), params, jax.random.key(0), x, jnp.ones((16, 10))
