"""The step of our search example."""

import jax
import jax.numpy as jnp

from examples import search
from jreg import train


def program():
    params = jax.eval_shape(search.init_params, jax.random.key(0))
    hyper = {name: jnp.float32(0.1) for name in ("rate", "decay", "smoothing", "dropout", "learning_rate")}
    optimizer = search.optimizer(hyper)
    state = jax.eval_shape(lambda: train.init_state(jax.tree.map(lambda a: jnp.ones(a.shape), params), optimizer))
    return search.step, state, jax.random.key(0), (jnp.ones((32, 64)), jnp.ones(32, int)), hyper
