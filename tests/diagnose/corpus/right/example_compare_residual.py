"""The residual network of our comparison."""

import jax
import jax.numpy as jnp

from examples.compare.models import make_model
from examples.compare.recipes import Hyper
from jreg import targets

MODEL = make_model("residual", 64, 10)


def loss(params, model_state, key, batch, hyper):
    logits, model_state = MODEL.apply(params, model_state, key, batch[0], hyper)
    return targets.smoothed_cross_entropy(logits, batch[1], hyper.smoothing), (model_state, {})


def program():
    params, model_state = jax.eval_shape(MODEL.init, jax.random.key(0))
    hyper = jax.tree.map(jnp.float32, Hyper(depth=0.3))
    batch = jnp.ones((32, 64)), jnp.ones((32, 10))
    return jax.grad(loss, has_aux=True), params, model_state, jax.random.key(0), batch, hyper
