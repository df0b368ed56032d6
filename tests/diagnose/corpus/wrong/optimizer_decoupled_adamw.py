"""Decoupled decay around an AdamW, which has a decay already."""

import jax.numpy as jnp
import optax

from jreg import optim

CODE = "decay-twice"
PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}}


def optimizer():
    return optim.with_decoupled_decay(optax.adamw(1e-3, mask=optim.kernels), 0.1, learning_rate=1e-3), PARAMS
