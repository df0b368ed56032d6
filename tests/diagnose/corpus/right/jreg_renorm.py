"""Batch renormalization corrects by its running statistics on purpose."""

import jax
import jax.numpy as jnp

from jreg import norm


def loss(params, stats, x, y):
    x, stats = norm.batch_renorm(params["norm"], stats, x @ params["first"], 3.0, 5.0)
    return jnp.mean((jax.nn.relu(x) @ params["second"] - y) ** 2), stats


def program():
    norm_params, stats = norm.init_batch_norm(16)
    params = {"first": jnp.ones((8, 16)), "norm": norm_params, "second": jnp.ones((16, 2))}
    return jax.value_and_grad(loss, has_aux=True), params, stats, jnp.ones((32, 8)), jnp.ones((32, 2))
