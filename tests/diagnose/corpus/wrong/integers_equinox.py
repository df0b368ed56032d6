"""The same with equinox's dropout."""

import equinox as eqx
import jax
import jax.numpy as jnp

CODE = "dropout-on-integers"


def loss(params, key, tokens, y):
    tokens = eqx.nn.Dropout(0.2)(tokens, key=key).astype(int)
    return jnp.mean((params["embed"][tokens].mean(1) @ params["head"] - y) ** 2)


def program():
    params = {"embed": jnp.ones((32, 16)), "head": jnp.ones((16, 2))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((4, 8), jnp.int32), jnp.ones((4, 2))
