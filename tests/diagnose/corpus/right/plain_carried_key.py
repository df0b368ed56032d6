"""A loop that carries its key and splits it at each step."""

import jax
import jax.numpy as jnp


def sample(key, x):
    def step(_, carry):
        key, x = carry
        key, noise_key = jax.random.split(key)
        return key, 0.9 * x + 0.1 * jax.random.normal(noise_key, x.shape)

    return jax.lax.fori_loop(0, 10, step, (key, x))[1]


def program():
    return sample, jax.random.key(0), jnp.ones((16, 8))
