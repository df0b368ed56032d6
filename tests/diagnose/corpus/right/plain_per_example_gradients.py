"""Gradients of each example, as differentially private training takes them, with a key for each."""

import jax
import jax.numpy as jnp

from jreg import noise


def loss(params, key, x, y):
    return jnp.mean((noise.dropout(key, jnp.tanh(x @ params["first"]), 0.5) @ params["second"] - y) ** 2)


def gradient(params, key, x, y):
    drop_key, noise_key = jax.random.split(key)
    keys = jax.random.split(drop_key, len(x))
    grads = jax.vmap(jax.grad(loss), in_axes=(None, 0, 0, 0))(params, keys, x, y)
    leaves, structure = jax.tree.flatten(jax.tree.map(lambda g: jnp.clip(g, -1, 1).mean(0), grads))
    noise_keys = jax.random.split(noise_key, len(leaves))
    noisy = [g + 0.1 * jax.random.normal(k, g.shape) for g, k in zip(leaves, noise_keys, strict=True)]
    return jax.tree.unflatten(structure, noisy)


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    return gradient, params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 2))
