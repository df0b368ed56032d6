"""Flax's MNIST example: convolutions, pooling, and dropout before the last layer."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax


class CNN(nn.Module):
    @nn.compact
    def __call__(self, x, training):
        x = nn.avg_pool(nn.relu(nn.Conv(8, (3, 3))(x)), (2, 2), strides=(2, 2))
        x = nn.avg_pool(nn.relu(nn.Conv(16, (3, 3))(x)), (2, 2), strides=(2, 2))
        x = nn.relu(nn.Dense(32)(x.reshape((x.shape[0], -1))))
        return nn.Dense(10)(nn.Dropout(0.5, deterministic=not training)(x))


def loss(params, key, images, labels):
    logits = CNN().apply(params, images, training=True, rngs={"dropout": key})
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def program():
    images = jnp.ones((8, 16, 16, 1))
    params = jax.eval_shape(lambda: CNN().init(jax.random.key(0), images, training=False))
    return jax.value_and_grad(loss), params, jax.random.key(0), images, jnp.ones(8, int)
