"""A loop carries the key that it also draws from; legacy keys."""

import jax
import jax.numpy as jnp

CODE = "key-split-and-drawn"


def sample(key, x):
    def step(carry, _):
        key, x = carry
        x = 0.9 * x + 0.1 * jax.random.normal(key, x.shape)
        key, _ = jax.random.split(key)
        return (key, x), None

    return jax.lax.scan(step, (key, x), None, length=10)[0][1]


def program():
    return sample, jax.random.PRNGKey(0), jnp.ones((16, 8))
