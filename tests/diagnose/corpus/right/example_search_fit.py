"""A whole fit of our search example, from initialization to the best epoch."""

import jax
import jax.numpy as jnp

from examples import search


def program():
    def fit(key, hyper):
        return search.fit_on(key, hyper, None, 2).best_value

    hyper = {name: jnp.float32(0.1) for name in search.GRID}
    return fit, jax.random.key(0), hyper
