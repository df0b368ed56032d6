"""Two decays for two sets of leaves, and an L1 prox in its place, the last."""

import jax.numpy as jnp
import optax

from jreg import optim

PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}, "head": {"kernel": jnp.ones((3, 2))}}
DENSE = {"dense": {"kernel": True, "bias": False}, "head": False}
HEAD = {"dense": False, "head": {"kernel": True}}


def optimizer():
    decays = optax.add_decayed_weights(0.1, DENSE), optax.add_decayed_weights(0.01, HEAD)
    learning_rate = optax.scale_by_learning_rate(1e-3)
    return optax.chain(optax.scale_by_adam(), *decays, learning_rate, optim.prox_l1(0.1, 1e-3)), PARAMS
