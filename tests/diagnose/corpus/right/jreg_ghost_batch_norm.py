"""Ghost batches of 16, a mask of rows, then dropout behind the last batch norm."""

import jax
import jax.numpy as jnp

from jreg import noise, norm


def loss(params, stats, key, x, y, mask):
    x, first = norm.batch_norm(params["norms"][0], stats[0], x @ params["first"], ghost_size=16)
    x, second = norm.batch_norm(params["norms"][1], stats[1], jax.nn.relu(x) @ params["second"], where=mask[:, None])
    x = noise.dropout(key, jax.nn.relu(x), 0.3)
    return jnp.mean(mask * jnp.sum((x @ params["third"] - y) ** 2, 1)), (first, second)


def program():
    norms, stats = zip(*(norm.init_batch_norm(16) for _ in range(2)), strict=True)
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 16)), "third": jnp.ones((16, 2)), "norms": norms}
    fn = jax.value_and_grad(loss, has_aux=True)
    return fn, params, stats, jax.random.key(0), jnp.ones((32, 8)), jnp.ones((32, 2)), jnp.ones(32, bool)
