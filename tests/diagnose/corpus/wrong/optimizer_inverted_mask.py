"""transformers#11936: the mask chooses biases and norms, which were to be left out."""

import jax
import jax.numpy as jnp
import optax

CODE = "decay-mask-inverted"
PARAMS = {"dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)}, "norm": {"scale": jnp.ones(3)}}


def is_left_out(params):
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key in ("bias", "scale"), params)


def optimizer():
    return optax.adamw(1e-3, weight_decay=0.1, mask=is_left_out), PARAMS
