"""Batch norm of the state at every time step."""

import jax
import jax.numpy as jnp

from jreg import norm

CODE = "batch-norm-in-recurrence"


def loss(params, stats, inputs, y):
    def step(carry, x):
        state, stats = carry
        new, stats = norm.batch_norm(params["norm"], stats, x @ params["in"] + state @ params["state"])
        return (jnp.tanh(new), stats), None

    start = jnp.zeros((inputs.shape[1], 16)), stats
    (state, stats), _ = jax.lax.scan(step, start, inputs)
    return jnp.mean((state @ params["head"] - y) ** 2), stats


def program():
    norm_params, stats = norm.init_batch_norm(16)
    params = {"in": jnp.ones((4, 16)), "state": jnp.ones((16, 16)), "head": jnp.ones((16, 2)), "norm": norm_params}
    return jax.value_and_grad(loss, has_aux=True), params, stats, jnp.ones((12, 32, 4)), jnp.ones((32, 2))
