"""A training step without dropout, with ours, and with every peer's: models in flax nnx, and one written out."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jreg import nnx as jreg_nnx
from jreg import random

from ..measure import Plan, Step, Suite
from ..torch_peer import LEARNING_RATE, RATE
from . import peers, torch_process
from .dropout import ours, unchanged
from .peers import Noise


def mlp(plan: Plan) -> Iterator[Suite]:
    """Hidden layers of 1024, each with a relu and a dropout."""
    num_layers, (width, batch) = plan.size, (32, 8) if plan.is_quick else (1024, 512)

    def make(dropout: Any, norm: Any, rngs: nnx.Rngs) -> nnx.Module:
        layers = (
            (nnx.Linear(width, width, rngs=rngs), jax.nn.relu, dropout(RATE, rngs=rngs)) for _ in range(num_layers)
        )
        return nnx.Sequential(*(layer for dense in layers for layer in dense))

    x = jax.random.normal(jax.random.key(0), (batch, width))
    name = f"MLP step in nnx, {num_layers} layers of {width}, B {batch}"
    yield from _suites(plan, name, make, x, "mlp", num_layers=num_layers, width=width, batch=batch)


def resnet(plan: Plan) -> Iterator[Suite]:
    """Blocks of two convolutions of 32 channels, with dropout between them, on images of 16 by 16."""
    num_blocks, batch = plan.size, 2 if plan.is_quick else 32

    def make(dropout: Any, norm: Any, rngs: nnx.Rngs) -> nnx.Module:
        return nnx.Sequential(*(Block(32, dropout, norm, rngs) for _ in range(num_blocks)))

    x = jax.random.normal(jax.random.key(0), (batch, 16, 16, 32))
    name = f"ResNet step in nnx, {num_blocks} blocks of 32 channels, B {batch}"
    yield from _suites(plan, name, make, x, "resnet", num_blocks=num_blocks, channels=32, side=16, batch=batch)


def transformer(plan: Plan) -> Iterator[Suite]:
    """Width 256, 4 heads; the residual stream, the hidden layer and the attention weights are dropped."""
    num_layers, (width, length, batch) = plan.size, (32, 16, 2) if plan.is_quick else (256, 128, 8)

    def make(dropout: Any, norm: Any, rngs: nnx.Rngs) -> nnx.Module:
        return nnx.Sequential(*(Layer(width, dropout, rngs) for _ in range(num_layers)))

    x = jax.random.normal(jax.random.key(0), (batch, length, width))
    name = f"transformer step in nnx, {num_layers} layers, d {width}, T {length}, B {batch}"
    shape = {"num_layers": num_layers, "width": width, "length": length, "batch": batch}
    yield from _suites(plan, name, make, x, "transformer", **shape)


def gradient(plan: Plan) -> Iterator[Suite]:
    """The gradient of a transformer with dropout at every usual site, against the same without: wide, and narrow."""
    yield _gradient(plan, plan.size, width=256, length=128, batch=16)
    yield _gradient(plan, 2, width=64, length=64, batch=4 if plan.is_quick else 32)


def _gradient(plan: Plan, num_layers: int, *, width: int, length: int, batch: int, heads: int = 4) -> Suite:
    tokens = jax.random.normal(jax.random.key(0), (batch, length, width))
    shapes = {"qkv": (width, 3 * width), "out": (width, width), "up": (width, 4 * width), "down": (4 * width, width)}
    keys = jax.random.split(jax.random.key(0), num_layers)
    layers = [
        {
            name: jax.random.normal(jax.random.fold_in(key, j), shape) * 0.02
            for j, (name, shape) in enumerate(shapes.items())
        }
        for key in keys
    ]

    def loss(layers: Any, x: jax.Array, key: Any, drop: Noise) -> jax.Array:
        embed_key, *keys = random.split(key, 1 + 4 * len(layers))
        x = drop(embed_key, x)
        for i, layer in enumerate(layers):
            attention_key, out_key, up_key, down_key = keys[4 * i : 4 * i + 4]
            q, k, v = jnp.split((_layer_norm(x) @ layer["qkv"]).reshape(batch, length, heads, -1), 3, axis=-1)
            scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
            scores = jnp.where(jnp.tril(jnp.ones((length, length), bool))[None, None], scores, -1e9)
            mixed = jnp.einsum("bhqk,bkhd->bqhd", drop(attention_key, jax.nn.softmax(scores)), v)
            x = x + drop(out_key, mixed.reshape(batch, length, width) @ layer["out"])
            x = x + drop(down_key, drop(up_key, jax.nn.gelu(_layer_norm(x) @ layer["up"])) @ layer["down"])
        return jnp.mean(x**2)

    others, missing = peers.installed(plan, {"flax.linen": peers.linen, "equinox": peers.equinox, "haiku": peers.haiku})
    drops = peers.under_keys({"no dropout": unchanged, "jreg.noise.dropout": ours, **others})
    drops["jreg.noise.dropout, hash_prng key"] = ours, random.hash_prng
    calls = {
        name: partial(jax.jit(jax.grad(partial(loss, drop=drop))), layers, tokens, jax.random.key(0, impl=impl))
        for name, (drop, impl) in drops.items()
    }
    sites = 1 + 4 * num_layers
    name = f"transformer gradient, {num_layers} layers, d {width}, T {length}, B {batch}, {sites} sites"
    return Suite(name, calls, {"jreg.noise.dropout": 1.0}, missing)


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


class Foreign(nnx.Module):
    """The dropout of a peer, a function of (key, x), as a module."""

    def __init__(self, function: Noise, rate: float, *, rngs: nnx.Rngs):
        self.function, self.rngs = function, rngs.dropout.fork()

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.function(self.rngs(), x)


def _suites(plan: Plan, name: str, make: Any, x: jax.Array, task: str, **shape: int) -> Iterator[Suite]:
    """Ratios to the model without dropout; the masks are drawn from the default key where nothing else is said."""
    default, fused = jax.random.key(0), jax.random.key(0, impl=random.hash_prng)

    def model(dropout: Any, key: jax.Array = default, norm: Any = nnx.BatchNorm) -> nnx.Module:
        return make(dropout, norm, nnx.Rngs(params=0, dropout=key))

    models = {
        "no dropout": model(partial(nnx.Dropout, deterministic=True)),
        "jreg.nnx.Dropout": model(jreg_nnx.Dropout),
        "flax.nnx, hash_prng key": model(nnx.Dropout, fused),
    }
    if task == "resnet":
        models["jreg.nnx.Dropout and BatchNorm"] = model(jreg_nnx.Dropout, norm=jreg_nnx.BatchNorm)
    others, missing = peers.installed(plan, {"equinox": peers.equinox, "haiku": peers.haiku, "keras": peers.keras})
    drops = {peer: partial(Foreign, drop) for peer, drop in others.items()} | {"flax.nnx": nnx.Dropout}
    for peer, (dropout, impl) in peers.under_keys(drops).items():
        models[peer] = model(dropout, jax.random.key(0, impl=impl))
    calls = {}
    for case, made in models.items():
        graph, params, rest = nnx.split(made, nnx.Param, ...)
        calls[case] = Step(partial(_step, graph), (params, rest), (x,))
    with torch_process.started(plan, task, **shape) as torch:
        yield Suite(name, {**calls, **torch.cases}, {"jreg.nnx.Dropout": 1.0}, (*missing, *torch.missing))


def _step(graph: Any, state: tuple[Any, Any], x: jax.Array) -> tuple[Any, Any]:
    """One step of gradient descent on the mean square of the output."""
    params, rest = state

    def loss(params: Any) -> tuple[jax.Array, Any]:
        model: Any = nnx.merge(graph, params, rest, copy=True)
        value = jnp.mean(model(x) ** 2)
        return value, nnx.split(model, nnx.Param, ...)[2]

    gradients, rest = jax.grad(loss, has_aux=True)(params)
    return jax.tree.map(lambda p, g: p - LEARNING_RATE * g, params, gradients), rest


def _layer_norm(x: jax.Array) -> jax.Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
