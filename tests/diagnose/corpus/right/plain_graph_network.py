"""Edges of a graph are dropped whole, and their sums are normalized over the nodes."""

import jax
import jax.numpy as jnp

from jreg import norm


def loss(params, stats, key, nodes, senders, receivers, y):
    is_kept = jax.random.bernoulli(key, 0.9, (len(senders), 1))
    messages = jnp.where(is_kept, nodes[senders] @ params["message"] / 0.9, 0.0)
    sums = jax.ops.segment_sum(messages, receivers, len(nodes))
    normal, stats = norm.batch_norm(params["norm"], stats, sums)
    return jnp.mean((jax.nn.relu(normal) @ params["head"] - y) ** 2), stats


def program():
    norm_params, stats = norm.init_batch_norm(16)
    params = {"message": jnp.ones((8, 16)), "head": jnp.ones((16, 2)), "norm": norm_params}
    edges = jnp.ones(40, int), jnp.ones(40, int)
    fn = jax.value_and_grad(loss, has_aux=True)
    return fn, params, stats, jax.random.key(0), jnp.ones((20, 8)), *edges, jnp.ones((20, 2))
