"""A decay of one's own before an AdamW whose own is 0."""

import jax.numpy as jnp
import optax

from jreg import optim

PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}}


def optimizer():
    own = optax.add_decayed_weights(0.1, mask=optim.kernels)
    return optax.chain(own, optax.adamw(1e-3, weight_decay=0.0)), PARAMS
