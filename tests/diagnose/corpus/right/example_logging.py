"""The step of our logging example."""

import jax
import jax.numpy as jnp

from examples.logging import __main__ as logging


def program():
    params = jax.eval_shape(logging.params, jax.random.key(0))
    batch = jnp.ones((32, 64)), jnp.ones(32, int)
    hyper = {"rate": jnp.float32(0.2), "smoothing": jnp.float32(0.1)}
    return jax.grad(logging.loss_fn, has_aux=True), params, (), jax.random.key(0), batch, hyper
