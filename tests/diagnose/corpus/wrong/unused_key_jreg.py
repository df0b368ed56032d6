"""The key is split, and the children are not passed on."""

import jax
import jax.numpy as jnp

from jreg import noise, random

CODE = "key-unused"


def loss_fn(params, model_state, key, batch, hyper):
    _first_key, _second_key = random.split(key)
    x = noise.dropout(None, jax.nn.relu(batch[0] @ params["first"]), hyper["rate"])
    return jnp.mean((x @ params["second"] - batch[1]) ** 2), (model_state, {})


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 2))}
    batch = jnp.ones((16, 8)), jnp.ones((16, 2))
    return loss_fn, params, (), jax.random.key(0), batch, {"rate": jnp.float32(0.5)}
