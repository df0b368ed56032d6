"""Dropout behind each activation, smoothing in the loss, decay beside Adam: the loop of the README."""

import jax
import jax.numpy as jnp
import optax

from jreg import noise, optim, random, targets, train

PARAMS = {
    "hidden": {"kernel": jnp.ones((64, 32))},
    "middle": {"kernel": jnp.ones((32, 32))},
    "head": jnp.ones((32, 10)),
}


def apply(params, key, x, rate):
    first_key, second_key = random.split(key)
    x = noise.dropout(first_key, jax.nn.relu(x @ params["hidden"]["kernel"]), rate)
    x = noise.dropout(second_key, jax.nn.relu(x @ params["middle"]["kernel"]), rate)
    return x @ params["head"]


def loss_fn(params, model_state, key, batch, hyper):
    logits = apply(params, key, batch[0], hyper["rate"])
    return targets.smoothed_cross_entropy(logits, batch[1], hyper["smoothing"]), (model_state, {})


def program():
    optimizer = optim.with_decoupled_decay(optax.adam(1e-3), 0.01, learning_rate=1e-3)
    state = train.init_state(PARAMS, optimizer)
    batch = jnp.ones((16, 64)), jnp.ones(16, int)
    hyper = {"rate": jnp.float32(0.3), "smoothing": jnp.float32(0.1)}
    return train.make_step(loss_fn, optimizer), state, jax.random.key(0), batch, hyper
