"""AdamW with decay on the kernels alone."""

import jax.numpy as jnp
import optax

from jreg import optim

PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}, "norm": {"scale": jnp.ones(3)}}


def optimizer():
    return optax.adamw(1e-3, weight_decay=0.1, mask=optim.kernels), PARAMS
