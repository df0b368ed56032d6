"""A step that gives back the old statistics."""

import jax
import jax.numpy as jnp
import optax

from jreg import norm, train

CODE = "batch-norm-stats-lost"


def loss_fn(params, stats, key, batch, hyper):
    x, _ = norm.batch_norm(params["norm"], stats, batch[0] @ params["first"])
    return jnp.mean((jax.nn.relu(x) @ params["second"] - batch[1]) ** 2), (stats, {})


def program():
    norm_params, stats = norm.init_batch_norm(16)
    params = {"first": jnp.ones((8, 16)), "norm": norm_params, "second": jnp.ones((16, 2))}
    state = train.init_state(params, optax.sgd(0.1), stats)
    batch = jnp.ones((32, 8)), jnp.ones((32, 2))
    return train.make_step(loss_fn, optax.sgd(0.1)), state, jax.random.key(0), batch, None
