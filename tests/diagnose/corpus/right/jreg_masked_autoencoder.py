"""Three quarters of the patches are dropped, as masked autoencoders do."""

import jax
import jax.numpy as jnp

from jreg import noise, random


def loss(params, key, patches):
    patch_key, drop_key = random.split(key)
    kept = noise.patch_dropout(patch_key, patches @ params["embed"], 0.75)
    h = noise.dropout(drop_key, jax.nn.gelu(kept @ params["encoder"]), 0.1)
    return jnp.mean((h.mean(1) @ params["decoder"] - patches.mean(1)) ** 2)


def program():
    params = {"embed": jnp.ones((12, 16)), "encoder": jnp.ones((16, 16)), "decoder": jnp.ones((16, 12))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((4, 16, 12))
