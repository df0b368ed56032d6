"""A student's plain cross-entropy beside distillation."""

import jax
import jax.numpy as jnp

from jreg import noise, targets


def loss(params, key, x, labels, teacher_logits):
    logits = noise.dropout(key, jax.nn.relu(x @ params["first"]), 0.2) @ params["head"]
    hard = targets.smoothed_cross_entropy(logits, labels, 0.0)
    return 0.5 * hard + 0.5 * targets.distillation(logits, teacher_logits, 3.0)


def program():
    params = {"first": jnp.ones((8, 16)), "head": jnp.ones((16, 10))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8)), jnp.ones(16, int), jnp.ones((16, 10))
