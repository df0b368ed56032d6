"""DropKey sets logits of attention to -inf, and attention weights are dropped behind the softmax."""

import jax
import jax.numpy as jnp
import optax


def attend(key, q, k, v):
    drop_key, weight_key = jax.random.split(key)
    logits = q @ k.swapaxes(-1, -2) / 4.0
    logits = jnp.where(jax.random.bernoulli(drop_key, 0.1, logits.shape), -jnp.inf, logits)
    weights = jax.nn.softmax(logits)
    return jnp.where(jax.random.bernoulli(weight_key, 0.9, weights.shape), weights / 0.9, 0.0) @ v


def loss(params, key, tokens, labels):
    x = params["embed"][tokens]
    x = attend(key, x @ params["q"], x @ params["k"], x @ params["v"])
    return optax.softmax_cross_entropy_with_integer_labels(x.mean(1) @ params["head"], labels).mean()


def program():
    square = jnp.ones((16, 16))
    params = {"embed": jnp.ones((32, 16)), "q": square, "k": square, "v": square, "head": jnp.ones((16, 10))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((4, 8), int), jnp.ones(4, int)
