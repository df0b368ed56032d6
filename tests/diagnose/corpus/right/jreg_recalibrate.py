"""Batch norm statistics over a scan of batches: an evaluation that needs no key."""

import jax.numpy as jnp

from jreg import norm


def recalibrated(params, stats, batches):
    def fn(stats, batch, decay):
        return norm.batch_norm(params["norm"], stats, batch @ params["kernel"], decay=decay)[1]

    return norm.recalibrate(fn, stats, batches)


def program():
    norm_params, stats = norm.init_batch_norm(16)
    return recalibrated, {"kernel": jnp.ones((8, 16)), "norm": norm_params}, stats, jnp.ones((5, 32, 8))
