"""A block of a diffusion model: group norm, activation, dropout, convolution, and a skip connection around."""

import equinox as eqx
import jax
import jax.numpy as jnp


class Block(eqx.Module):
    norms: list
    convs: list
    dropout: eqx.nn.Dropout

    def __init__(self, key):
        keys = jax.random.split(key)
        self.norms = [eqx.nn.GroupNorm(2, 8), eqx.nn.GroupNorm(2, 8)]
        self.convs = [eqx.nn.Conv2d(8, 8, 3, padding=1, key=each) for each in keys]
        self.dropout = eqx.nn.Dropout(0.1)

    def __call__(self, x, key):
        h = self.convs[0](jax.nn.silu(self.norms[0](x)))
        return x + self.convs[1](self.dropout(jax.nn.silu(self.norms[1](h)), key=key))


def loss(block, key, x):
    noise_key, time_key, drop_key = jax.random.split(key, 3)
    noise = jax.random.normal(noise_key, x.shape)
    time = jax.random.uniform(time_key, (len(x), 1, 1, 1))
    noisy = jnp.sqrt(1 - time) * x + jnp.sqrt(time) * noise
    return jnp.mean((jax.vmap(block)(noisy, jax.random.split(drop_key, len(x))) - noise) ** 2)


def program():
    block = eqx.filter_eval_shape(Block, jax.random.key(0))
    return eqx.filter_value_and_grad(loss), block, jax.random.key(0), jnp.ones((4, 8, 8, 8))
