"""Flax's VAE example: noise that belongs to the model."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax


class VAE(nn.Module):
    @nn.compact
    def __call__(self, x, key):
        h = nn.relu(nn.Dense(16)(x))
        mean, log_variance = nn.Dense(4)(h), nn.Dense(4)(h)
        z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
        return nn.Dense(x.shape[-1])(nn.relu(nn.Dense(16)(z))), mean, log_variance


def loss(params, key, x):
    logits, mean, log_variance = VAE().apply(params, x, key)
    likelihood = optax.sigmoid_binary_cross_entropy(logits, x).sum(-1).mean()
    return likelihood - 0.5 * jnp.sum(1 + log_variance - mean**2 - jnp.exp(log_variance), -1).mean()


def program():
    x = jnp.ones((16, 20))
    params = jax.eval_shape(lambda: VAE().init(jax.random.key(0), x, jax.random.key(1)))
    return jax.value_and_grad(loss), params, jax.random.key(0), x
