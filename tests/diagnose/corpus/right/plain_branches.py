"""One key in the branches of a cond, of which only one runs."""

import jax
import jax.numpy as jnp


def corrupt(key, x, is_gaussian):
    def gaussian(x):
        return x + 0.1 * jax.random.normal(key, x.shape)

    def masked(x):
        return jnp.where(jax.random.bernoulli(key, 0.9, x.shape), x, 0.0)

    return jax.lax.cond(is_gaussian, gaussian, masked, x)


def program():
    return corrupt, jax.random.key(0), jnp.ones((16, 8)), jnp.array(True)
