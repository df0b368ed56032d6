"""Our comparison of recipes: a whole `fit_one` with mixup, smoothing, DropConnect and dropout."""

import jax
import jax.numpy as jnp

from examples.compare.models import make_model
from examples.compare.recipes import Hyper
from jreg import augment, random, targets

MODEL = make_model("mlp", 64, 10)


def loss(params, model_state, key, batch, hyper):
    mix_key, model_key = random.split(key)
    x, y = augment.mixup(mix_key, batch, hyper.mixup)
    logits, model_state = MODEL.apply(params, model_state, model_key, x, hyper)
    return targets.smoothed_cross_entropy(logits, y, hyper.smoothing), (model_state, {})


def program():
    params, model_state = jax.eval_shape(MODEL.init, jax.random.key(0))
    hyper = jax.tree.map(jnp.float32, Hyper(dropout=0.3, dropconnect=0.2, smoothing=0.1, mixup=0.2))
    batch = jnp.ones((32, 64)), jnp.ones((32, 10))
    return jax.grad(loss, has_aux=True), params, model_state, jax.random.key(0), batch, hyper
