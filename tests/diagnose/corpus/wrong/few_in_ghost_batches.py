"""Ghost batches of two."""

import jax
import jax.numpy as jnp

from jreg import norm

CODE = "batch-norm-of-few"


def loss(params, stats, x, y):
    x, stats = norm.batch_norm(params["norm"], stats, x @ params["first"], ghost_size=2)
    return jnp.mean((jax.nn.relu(x) @ params["second"] - y) ** 2), stats


def program():
    norm_params, stats = norm.init_batch_norm(16)
    params = {"first": jnp.ones((8, 16)), "norm": norm_params, "second": jnp.ones((16, 2))}
    return jax.value_and_grad(loss, has_aux=True), params, stats, jnp.ones((32, 8)), jnp.ones((32, 2))
