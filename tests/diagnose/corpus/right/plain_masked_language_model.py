"""Tokens are replaced by a mask at random, or by other tokens; integers stay integers."""

import jax
import jax.numpy as jnp
import optax


def loss(params, key, tokens):
    mask_key, swap_key, word_key = jax.random.split(key, 3)
    is_masked = jax.random.bernoulli(mask_key, 0.15, tokens.shape)
    is_swapped = jax.random.bernoulli(swap_key, 0.1, tokens.shape) & is_masked
    words = jax.random.randint(word_key, tokens.shape, 0, 32)
    corrupted = jnp.where(is_swapped, words, jnp.where(is_masked, 0, tokens))
    logits = jax.nn.relu(params["embed"][corrupted] @ params["hidden"]) @ params["embed"].T
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, tokens)
    return jnp.sum(losses * is_masked) / jnp.maximum(jnp.sum(is_masked), 1)


def program():
    params = {"embed": jnp.ones((32, 16)), "hidden": jnp.ones((16, 16))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((4, 8), int)
