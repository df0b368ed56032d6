"""Classifier-free guidance: the condition of whole examples is dropped, and replaced by a learned one."""

import jax
import jax.numpy as jnp


def loss(params, key, x, labels):
    noise_key, drop_key = jax.random.split(key)
    condition = params["embed"][labels]
    is_dropped = jax.random.bernoulli(drop_key, 0.1, (len(x), 1))
    condition = jnp.where(is_dropped, params["null"], condition)
    noise = jax.random.normal(noise_key, x.shape)
    h = jax.nn.silu((x + noise) @ params["first"] + condition @ params["second"])
    return jnp.mean((h @ params["third"] - noise) ** 2)


def program():
    params = {
        "embed": jnp.ones((10, 4)),
        "null": jnp.ones(4),
        "first": jnp.ones((8, 16)),
        "second": jnp.ones((4, 16)),
        "third": jnp.ones((16, 8)),
    }
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones(16, int)
