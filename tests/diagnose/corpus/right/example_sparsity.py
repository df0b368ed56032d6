"""The step of our sparsity example, whose loss takes a key by contract."""

import jax
import jax.numpy as jnp

from examples import sparsity


def program():
    params = jax.eval_shape(sparsity.init_params, jax.random.key(0))
    return sparsity.loss_fn, params, (), jax.random.key(0), (jnp.ones((32, 64)), jnp.ones((32, 10))), None
