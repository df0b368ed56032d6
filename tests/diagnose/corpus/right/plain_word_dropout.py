"""Whole words are dropped from a sequence of embeddings, and pairs of layers share no key."""

import jax
import jax.numpy as jnp
import optax

from jreg import augment, noise, random


def loss(params, key, tokens, labels):
    token_key, embed_key, hidden_key = random.split(key, 3)
    tokens = augment.token_dropout(token_key, tokens, 0.1, mask_id=1)
    x = noise.spatial_dropout(embed_key, params["embed"][tokens], 0.1, spatial_axes=2)
    x = noise.dropout(hidden_key, jax.nn.relu(x.mean(1) @ params["hidden"]), 0.5)
    return optax.softmax_cross_entropy_with_integer_labels(x @ params["head"], labels).mean()


def program():
    params = {"embed": jnp.ones((32, 16)), "hidden": jnp.ones((16, 16)), "head": jnp.ones((16, 10))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((4, 8), int), jnp.ones(4, int)
