"""Gradients are summed over micro-batches in a scan, each with its key; the statistics are carried."""

import jax
import jax.numpy as jnp

from jreg import noise, norm, random


def loss(params, stats, key, x, y):
    x, stats = norm.batch_norm(params["norm"], stats, x @ params["first"])
    x = noise.dropout(key, jax.nn.relu(x), 0.3)
    return jnp.mean((x @ params["second"] - y) ** 2), stats


def gradient(params, stats, key, x, y):
    def part(carry, batch):
        total, stats = carry
        grads, stats = jax.grad(loss, has_aux=True)(params, stats, *batch)
        return (jax.tree.map(jnp.add, total, grads), stats), None

    start = jax.tree.map(jnp.zeros_like, params), stats
    return jax.lax.scan(part, start, (random.split_array(key, len(x)), x, y))[0]


def program():
    norm_params, stats = norm.init_batch_norm(16)
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2)), "norm": norm_params}
    return gradient, params, stats, jax.random.key(0), jnp.ones((4, 16, 8)), jnp.ones((4, 16, 2))
