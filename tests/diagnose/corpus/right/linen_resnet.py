"""Residual blocks with batch norm, as in flax's ImageNet example; the statistics are returned."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax


class Block(nn.Module):
    features: int
    norm: type

    @nn.compact
    def __call__(self, x):
        y = nn.relu(self.norm()(nn.Conv(self.features, (3, 3), use_bias=False)(x)))
        y = self.norm(scale_init=nn.initializers.zeros)(nn.Conv(self.features, (3, 3), use_bias=False)(y))
        if x.shape != y.shape:
            x = self.norm()(nn.Conv(self.features, (1, 1), use_bias=False)(x))
        return nn.relu(x + y)


class ResNet(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9)
        x = nn.relu(norm()(nn.Conv(8, (7, 7), (2, 2), use_bias=False)(x)))
        for features in (8, 16):
            x = Block(features, norm)(x)
        return nn.Dense(10)(x.mean((1, 2)))


def loss(params, stats, images, labels):
    variables = {"params": params, "batch_stats": stats}
    logits, updated = ResNet().apply(variables, images, train=True, mutable=["batch_stats"])
    return optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, 10)).mean(), updated["batch_stats"]


def program():
    images = jnp.ones((8, 16, 16, 3))
    variables = jax.eval_shape(lambda: ResNet().init(jax.random.key(0), images, train=False))
    fn = jax.value_and_grad(loss, has_aux=True)
    return fn, variables["params"], variables["batch_stats"], images, jnp.ones(8, int)
