"""Tokens as floats, dropped and scaled, and made tokens again: token 6 becomes token 7."""

import haiku as hk
import jax
import jax.numpy as jnp
import optax

CODE = "dropout-on-integers"


def loss(params, key, tokens, labels):
    tokens = hk.dropout(key, 0.1, tokens).astype(jnp.int32)
    logits = params["embed"][tokens].mean(1) @ params["head"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def program():
    params = {"embed": jnp.ones((32, 16)), "head": jnp.ones((16, 10))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((4, 8), jnp.int32), jnp.ones(4, int)
