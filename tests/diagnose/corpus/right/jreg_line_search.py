"""L-BFGS evaluates the loss many times with the same key: the same noise, on purpose."""

import jax
import jax.numpy as jnp
import optax

from jreg import noise, train


def loss_fn(params, model_state, key, batch, hyper):
    x, y = batch
    error = noise.dropout(key, jnp.tanh(x @ params["first"]), 0.5) @ params["second"] - y
    return jnp.mean(error**2), (model_state, {})


def program():
    optimizer = optax.lbfgs()
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    state = train.init_state(params, optimizer)
    return train.make_step(loss_fn, optimizer), state, jax.random.key(0), (jnp.ones((16, 8)), jnp.ones((16, 2))), None
