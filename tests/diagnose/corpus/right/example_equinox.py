"""Our equinox example."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from examples.equinox_mlp import Model
from jreg import norm


def loss(model, stats, key, x, y):
    logits, stats = model(stats, key, x, 0.3)
    return optax.softmax_cross_entropy(logits, y).mean(), stats


def program():
    model = eqx.filter_eval_shape(Model, jax.random.key(0))
    stats = norm.init_batch_norm(128)[1]
    fn = eqx.filter_value_and_grad(loss, has_aux=True)
    return fn, model, stats, jax.random.key(0), jnp.ones((64, 64)), jnp.ones((64, 10))
