"""SAM takes two gradients with one key, and keeps the statistics of the first."""

import jax
import jax.numpy as jnp
import optax

from jreg import noise, norm, optim, train


def loss_fn(params, stats, key, batch, hyper):
    x, y = batch
    x, stats = norm.batch_norm(params["norm"], stats, x @ params["first"], decay=0.9)
    x = noise.dropout(key, jax.nn.relu(x), 0.5)
    return jnp.mean((x @ params["second"] - y) ** 2), (stats, {})


def program():
    norm_params, stats = norm.init_batch_norm(16)
    params = {"first": jnp.ones((8, 16)), "norm": norm_params, "second": jnp.ones((16, 2))}
    optimizer = optax.sgd(0.1)
    step = train.make_step(loss_fn, optimizer, wrap_gradient=lambda grad_fn, hyper: optim.sam_gradient(grad_fn, 0.05))
    state = train.init_state(params, optimizer, stats)
    return step, state, jax.random.key(0), (jnp.ones((32, 8)), jnp.ones((32, 2))), None
