"""A training step of models in flax nnx: without dropout, with flax's, with ours by a changed import."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jreg import nnx as jreg_nnx
from jreg import random

from ..measure import Suite

RATE, LEARNING_RATE = 0.1, 1e-3


def transformer(num_layers: int, rounds: int) -> Iterator[Suite]:
    """Width 256, 4 heads; the residual stream, the hidden layer and the attention weights are dropped."""
    width, length, batch = (256, 128, 8) if num_layers > 1 else (32, 16, 2)
    x = jax.random.normal(jax.random.key(0), (batch, length, width))

    def make(dropout: Any, norm: Any, key: jax.Array) -> nnx.Module:
        rngs = nnx.Rngs(params=0, dropout=key)
        return nnx.Sequential(*(Layer(width, dropout, rngs) for _ in range(num_layers)))

    yield _suite(f"transformer step in nnx, {num_layers} layers, d {width}, T {length}, B {batch}", make, x)


def resnet(num_blocks: int, rounds: int) -> Iterator[Suite]:
    """Blocks of two convolutions of 32 channels, with dropout between them, on images of 16 by 16."""
    batch = 32 if num_blocks > 1 else 2
    x = jax.random.normal(jax.random.key(0), (batch, 16, 16, 32))

    def make(dropout: Any, norm: Any, key: jax.Array) -> nnx.Module:
        rngs = nnx.Rngs(params=0, dropout=key)
        return nnx.Sequential(*(Block(32, dropout, norm, rngs) for _ in range(num_blocks)))

    yield _suite(f"ResNet step in nnx, {num_blocks} blocks of 32 channels, B {batch}", make, x, has_norm=True)


class Layer(nnx.Module):
    """Causal attention and a dense block, each behind a layer norm."""

    def __init__(self, width: int, dropout: Any, rngs: nnx.Rngs):
        self.norms = nnx.List([nnx.LayerNorm(width, rngs=rngs) for _ in range(2)])
        self.qkv, self.out = nnx.Linear(width, 3 * width, rngs=rngs), nnx.Linear(width, width, rngs=rngs)
        self.up, self.down = nnx.Linear(width, 4 * width, rngs=rngs), nnx.Linear(4 * width, width, rngs=rngs)
        self.drops = nnx.List([dropout(RATE, rngs=rngs) for _ in range(4)])

    def __call__(self, x: jax.Array) -> jax.Array:
        weights_drop, out_drop, up_drop, down_drop = self.drops
        heads = self.qkv(self.norms[0](x)).reshape(*x.shape[:2], 4, -1)
        q, k, v = jnp.split(heads, 3, axis=-1)
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
        scores = jnp.where(jnp.tril(jnp.ones(scores.shape[-2:], bool)), scores, -1e9)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weights_drop(jax.nn.softmax(scores)), v)
        x = x + out_drop(self.out(mixed.reshape(x.shape)))
        return x + down_drop(self.down(up_drop(jax.nn.gelu(self.up(self.norms[1](x))))))


class Block(nnx.Module):
    """A residual block before its activations, as in wide residual networks."""

    def __init__(self, channels: int, dropout: Any, norm: Any, rngs: nnx.Rngs):
        self.norms = nnx.List([norm(channels, rngs=rngs) for _ in range(2)])
        self.convolutions = nnx.List([nnx.Conv(channels, channels, (3, 3), rngs=rngs) for _ in range(2)])
        self.drop = dropout(RATE, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.convolutions[0](jax.nn.relu(self.norms[0](x)))
        return x + self.convolutions[1](self.drop(jax.nn.relu(self.norms[1](y))))


def _suite(name: str, make: Any, x: jax.Array, has_norm: bool = False) -> Suite:
    """Ratios to the model without dropout; the masks are drawn from the default key where nothing else is said."""
    default, fused = jax.random.key(0), jax.random.key(0, impl=random.hash_prng)
    models = {
        "no dropout": make(partial(nnx.Dropout, deterministic=True), nnx.BatchNorm, default),
        "flax.nnx.Dropout": make(nnx.Dropout, nnx.BatchNorm, default),
        "flax.nnx.Dropout, hash_prng key": make(nnx.Dropout, nnx.BatchNorm, fused),
        "jreg.nnx.Dropout": make(jreg_nnx.Dropout, nnx.BatchNorm, default),
    }
    if has_norm:
        models["jreg.nnx.Dropout and BatchNorm"] = make(jreg_nnx.Dropout, jreg_nnx.BatchNorm, default)
    calls = {}
    for case, model in models.items():
        graph, params, rest = nnx.split(model, nnx.Param, ...)
        calls[case] = partial(jax.jit(partial(_step, graph)), params, rest, x)
    return Suite(name, calls, {"jreg.nnx.Dropout": 1.03})


def _step(graph: Any, params: Any, rest: Any, x: jax.Array) -> tuple[Any, Any]:
    """One step of gradient descent on the mean square of the output."""

    def loss(params: Any) -> tuple[jax.Array, Any]:
        model: Any = nnx.merge(graph, params, rest, copy=True)
        value = jnp.mean(model(x) ** 2)
        return value, nnx.split(model, nnx.Param, ...)[2]

    gradients, rest = jax.grad(loss, has_aux=True)(params)
    return jax.tree.map(lambda p, g: p - LEARNING_RATE * g, params, gradients), rest
