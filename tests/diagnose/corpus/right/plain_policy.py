"""Sampled actions and shuffled minibatches: randomness that is no regularizer."""

import jax
import jax.numpy as jnp


def loss(params, key, observations, returns):
    action_key, order_key = jax.random.split(key)
    order = jax.random.permutation(order_key, len(observations))[:8]
    logits = jnp.tanh(observations[order] @ params["first"]) @ params["second"]
    actions = jax.random.categorical(action_key, logits)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), actions[:, None], 1)[:, 0]
    advantages = returns[order]
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    return -jnp.mean(chosen * jax.lax.stop_gradient(advantages))


def program():
    params = {"first": jnp.ones((8, 16)), "second": jnp.ones((16, 4))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((32, 8)), jnp.ones(32)
