"""A step folds its number into a key of its own: the noise of step 3 is that of every run."""

import jax
import jax.numpy as jnp

from jreg import noise, random

CODE = "key-constant"


def predict(params, x):
    h = noise.dropout(random.split(jax.random.key(7))[1], jax.nn.relu(x @ params["first"]), 0.5)
    return jax.nn.softmax(h @ params["second"])


def program():
    return predict, {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}, jnp.ones((16, 8))
