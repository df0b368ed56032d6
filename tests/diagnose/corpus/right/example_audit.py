"""The optimizer of our examples for equinox and haiku."""

import jax.numpy as jnp

from examples import haiku_mlp

PARAMS = {"linear": {"w": jnp.ones((4, 3)), "b": jnp.ones(3)}}


def optimizer():
    return haiku_mlp.make_optimizer(), PARAMS
