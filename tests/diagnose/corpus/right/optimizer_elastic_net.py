"""L1 beside L2: an elastic net."""

import jax.numpy as jnp
import optax

from jreg import optim

PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}}


def optimizer():
    return optax.chain(optim.add_l1(0.01), optim.add_l2(0.1), optax.sgd(1e-2)), PARAMS
