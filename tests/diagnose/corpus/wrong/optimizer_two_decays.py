"""L2 in the gradient, and AdamW's own decay behind it."""

import jax.numpy as jnp
import optax

from jreg import optim

CODE = "decay-twice"
PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}}


def optimizer():
    adamw = optax.adamw(1e-3, weight_decay=0.1, mask=optim.kernels)
    return optax.chain(optax.add_decayed_weights(0.1, mask=optim.kernels), adamw), PARAMS
