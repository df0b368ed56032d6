"""Data-parallel training in shard_map: synchronous batch norm, and a key for each device."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jreg import noise, norm


def loss(params, stats, key, x, y):
    key = jax.random.fold_in(key, jax.lax.axis_index("batch"))
    x, stats = norm.batch_norm(params["norm"], stats, x @ params["first"], axis_name="batch")
    x = noise.dropout(key, jax.nn.relu(x), 0.5)
    return jax.lax.pmean(jnp.mean((x @ params["second"] - y) ** 2), "batch"), stats


def program():
    mesh = Mesh(np.array(jax.devices()[:1]), ("batch",))
    rows, whole = PartitionSpec("batch"), PartitionSpec()
    specs = (whole, whole, whole, rows, rows)
    fn = jax.shard_map(loss, mesh=mesh, in_specs=specs, out_specs=(whole, whole), check_vma=False)
    norm_params, stats = norm.init_batch_norm(16)
    params = {"first": jnp.ones((8, 16)), "norm": norm_params, "second": jnp.ones((16, 2))}
    return fn, params, stats, jax.random.key(0), jnp.ones((32, 8)), jnp.ones((32, 2))
