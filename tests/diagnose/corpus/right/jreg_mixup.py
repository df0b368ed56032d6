"""Mixup and CutMix of images and their one-hot labels, smoothed once."""

import jax
import jax.numpy as jnp

from jreg import augment, noise, random, targets


def loss(params, key, images, labels):
    mix_key, cut_key, drop_key = random.split(key, 3)
    one_hot = targets.smooth_labels(labels, 0.1, num_classes=10)
    images, one_hot = augment.mixup(mix_key, (images, one_hot), 0.2)
    images, one_hot = augment.cutmix(cut_key, (images, one_hot), 1.0)
    h = jax.nn.relu(images.reshape(len(images), -1) @ params["first"])
    logits = noise.dropout(drop_key, h, 0.5) @ params["head"]
    return targets.smoothed_cross_entropy(logits, one_hot, 0.0)


def program():
    params = {"first": jnp.ones((192, 16)), "head": jnp.ones((16, 10))}
    return jax.grad(loss), params, jax.random.key(0), jnp.ones((16, 8, 8, 3)), jnp.ones(16, int)
