"""The step of our example for several processes."""

import jax
import jax.numpy as jnp

from examples import multiprocess


def program():
    state = jax.eval_shape(multiprocess.init_state, jax.random.key(0))
    batch = jnp.ones((32, 64)), jnp.ones(32, int)
    hyper = {"rate": jnp.float32(0.3)}
    return multiprocess.step, state, jax.random.key(0), batch, hyper
