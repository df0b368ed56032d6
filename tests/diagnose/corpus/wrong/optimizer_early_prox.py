"""A proximal step before the learning rate."""

import jax.numpy as jnp
import optax

from jreg import optim

CODE = "prox-before-learning-rate"
PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}}


def optimizer():
    prox = optim.prox_l1(0.1, 1e-3)
    return optax.chain(optax.scale_by_adam(), prox, optax.scale_by_learning_rate(1e-3)), PARAMS
