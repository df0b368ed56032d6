"""Micro-batches in a scan, each with a key of its own, in bfloat16."""

import jax
import jax.numpy as jnp
import optax

from jreg import noise, train


def loss_fn(params, model_state, key, batch, hyper):
    x, y = batch
    error = noise.dropout(key, jax.nn.relu(x @ params["first"]), 0.5) @ params["second"] - y
    return jnp.mean(error.astype(jnp.float32) ** 2), (model_state, {})


def program():
    optimizer = optax.sgd(0.1)
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    step = train.make_step(loss_fn, optimizer, accumulate=4, compute_dtype=jnp.bfloat16)
    return step, train.init_state(params, optimizer), jax.random.key(0), (jnp.ones((32, 8)), jnp.ones((32, 2))), None
