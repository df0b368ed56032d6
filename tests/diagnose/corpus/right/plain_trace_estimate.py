"""A continuous flow whose trace estimate keeps its probe while the equation is solved."""

import jax
import jax.numpy as jnp


def loss(params, key, x):
    probe = jax.random.rademacher(key, x.shape, jnp.float32)
    field = lambda x: jnp.tanh(x @ params["first"]) @ params["second"]  # noqa: E731

    def step(carry, _):
        x, volume = carry
        velocity, pull = jax.vjp(field, x)
        return (x + 0.1 * velocity, volume + 0.1 * jnp.sum(pull(probe)[0] * probe, -1)), None

    (x, volume), _ = jax.lax.scan(step, (x, jnp.zeros(len(x))), None, length=10)
    return jnp.mean(0.5 * jnp.sum(x**2, -1) - volume)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 8))}
    return jax.value_and_grad(loss), params, jax.random.key(0), jnp.ones((16, 8))
