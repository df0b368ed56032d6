"""The network with batch norm of our comparison, which needs no noise: its key is the contract's."""

import jax
import jax.numpy as jnp
import optax

from examples.compare.models import make_model
from examples.compare.recipes import Hyper
from jreg import targets, train

MODEL = make_model("batch norm", 64, 10)


def loss_fn(params, model_state, key, batch, hyper):
    logits, model_state = MODEL.apply(params, model_state, key, batch[0], hyper)
    return targets.smoothed_cross_entropy(logits, batch[1], hyper.smoothing), (model_state, {})


def init_state(key):
    params, model_state = MODEL.init(key)
    return train.init_state(params, optax.adam(1e-3), model_state)


def program():
    state = jax.eval_shape(init_state, jax.random.key(0))
    hyper = jax.tree.map(jnp.float32, Hyper(decay=1.0))
    batch = jnp.ones((32, 64)), jnp.ones((32, 10))
    return train.make_step(loss_fn, optax.adam(1e-3)), state, jax.random.key(0), batch, hyper
