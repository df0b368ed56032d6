"""AdamW as it stands decays biases and norms too."""

import jax.numpy as jnp
import optax

CODE = "decay-of-norms-and-biases"
PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}, "norm": {"scale": jnp.ones(3)}}


def optimizer():
    return optax.adamw(1e-3, weight_decay=0.1), PARAMS
