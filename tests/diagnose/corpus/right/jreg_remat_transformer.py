"""Transformer blocks under remat: the backward pass draws every mask again, from the same keys."""

import jax
import jax.numpy as jnp

from jreg import noise, random, targets


def normalized(x):
    return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-6)


def block(params, key, x):
    weight_key, attention_key, hidden_key = random.split(key, 3)
    q, k, v = (normalized(x) @ params[name] for name in "qkv")
    weights = jax.nn.softmax(q @ k.swapaxes(-1, -2) / 4.0)
    x = x + noise.dropout(attention_key, noise.dropout(weight_key, weights, 0.1) @ v, 0.1)
    return x + noise.dropout(hidden_key, jax.nn.gelu(normalized(x) @ params["up"]) @ params["down"], 0.1)


def loss(params, key, tokens, labels):
    embed_key, *keys = random.split(key, 3)
    x = noise.dropout(embed_key, params["embed"][tokens], 0.1)
    for block_params, block_key in zip(params["blocks"], keys, strict=True):
        x = jax.checkpoint(block)(block_params, block_key, x)
    return targets.smoothed_cross_entropy(x @ params["embed"].T, labels, 0.1)


def program():
    square = jnp.ones((16, 16))
    blocks = [dict.fromkeys(("q", "k", "v", "up", "down"), square) for _ in range(2)]
    params = {"embed": jnp.ones((32, 16)), "blocks": blocks}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((4, 8), int), jnp.ones((4, 8), int)
