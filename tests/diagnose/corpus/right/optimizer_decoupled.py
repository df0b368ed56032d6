"""jreg's decoupled decay and an average of the weights."""

import jax.numpy as jnp
import optax

from jreg import optim

PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}}


def optimizer():
    decayed = optim.with_decoupled_decay(optax.adam(1e-3), 0.1, learning_rate=1e-3)
    return optax.chain(decayed, optim.average_params(0.99)), PARAMS
