"""jreg's dropout inside haiku, beside haiku's own batch norm, as in our example."""

import jax
import jax.numpy as jnp

from examples.haiku_mlp import MODEL


def loss(params, state, key, x, y):
    logits, state = MODEL.apply(params, state, x, key, 0.3)
    return jnp.mean((logits - y) ** 2), state


def program():
    x = jnp.ones((16, 64))
    params, state = jax.eval_shape(lambda: MODEL.init(jax.random.key(0), x, jax.random.key(1), 0.0))
    return jax.value_and_grad(loss, has_aux=True), params, state, jax.random.key(0), x, jnp.ones((16, 10))
