"""SimCSE: two passes with keys of their own, and their similarities as logits."""

import jax
import jax.numpy as jnp
import optax

from jreg import noise, random


def encode(params, key, x):
    h = noise.dropout(key, jax.nn.relu(x @ params["first"]), 0.1) @ params["second"]
    return h / jnp.linalg.norm(h, axis=-1, keepdims=True)


def loss(params, key, x):
    first, second = (encode(params, each, x) for each in random.split(key))
    labels = jnp.arange(len(x))
    return optax.softmax_cross_entropy_with_integer_labels(first @ second.T / 0.05, labels).mean()


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 16))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8))
