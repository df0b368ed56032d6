"""ShakeDrop on branches that are added, behind batch norm as in its paper."""

import jax
import jax.numpy as jnp

from jreg import noise, norm, random


def loss(params, stats, key, x, y):
    new = []
    for kernel, norm_params, old, block_key in zip(
        params["kernels"], params["norms"], stats, random.split(key, 2), strict=True
    ):
        branch, moved = norm.batch_norm(norm_params, old, jax.nn.relu(x) @ kernel)
        x = x + noise.shakedrop(block_key, branch, 0.2)
        new.append(moved)
    return jnp.mean((x - y) ** 2), new


def program():
    norms, stats = zip(*(norm.init_batch_norm(8) for _ in range(2)), strict=True)
    params = {"kernels": [jnp.ones((8, 8))] * 2, "norms": list(norms)}
    fn = jax.value_and_grad(loss, has_aux=True)
    return fn, params, list(stats), jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 8))
