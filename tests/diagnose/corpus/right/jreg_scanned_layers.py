"""A scan over layers: each gets its kernels, its norm and its key."""

import jax
import jax.numpy as jnp

from jreg import noise, norm, random


def loss(params, stats, key, x, y):
    def layer(x, sliced):
        kernel, norm_params, stats, key = sliced
        h, stats = norm.batch_norm(norm_params, stats, x @ kernel)
        return x + noise.stochastic_depth(key, jax.nn.relu(h), 0.1), stats

    keys = random.split_array(key, 4)
    x, stats = jax.lax.scan(layer, x, (params["kernels"], params["norms"], stats, keys))
    return jnp.mean((x - y) ** 2), stats


def program():
    norms, stats = jax.tree.map(lambda a: jnp.stack([a] * 4), norm.init_batch_norm(8))
    params = {"kernels": jnp.ones((4, 8, 8)), "norms": norms}
    fn = jax.value_and_grad(loss, has_aux=True)
    return fn, params, stats, jax.random.key(0), jnp.ones((16, 8)), jnp.ones((16, 8))
