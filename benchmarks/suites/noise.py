"""The noise family, against a copy, a dense product, a block or a training step without noise."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jreg import noise, random

from ..measure import Suite
from . import peers

RATE = peers.RATE
Function = Callable[..., Any]


def dropout(megabytes: int, rounds: int) -> Iterator[Suite]:
    """Dropout of ours and of the peers, forward, and forward with backward, against x * c."""
    rows = megabytes * 256
    x, rate = jax.random.normal(jax.random.key(0), (rows, 1024)), jnp.float32(RATE)
    others, missing = peers.installed()
    torch = peers.torch_seconds(rows, rounds, os.cpu_count() or 1)
    missing = missing if torch else (*missing, "torch")
    functions = {"x * c": lambda key, x: x * 1.1, "jreg.noise.dropout": partial(_dropped, rate), **others}
    for dtype in (jnp.float32, jnp.bfloat16):
        data = x.astype(dtype)
        names = functions if dtype == jnp.float32 else ("x * c", "jreg.noise.dropout", "flax.linen")
        for what, wrap, budget in (("forward", _forward, 1.05), ("forward and backward", with_backward, 1.15)):
            calls = {
                name: partial(jax.jit(wrap(functions[name])), jax.random.key(0), data)
                for name in names
                if name in functions
            }
            measured = {"torch (own process)": torch[what]} if torch and dtype == jnp.float32 else {}
            size = data.nbytes // 2**20
            name = f"dropout {what}, {jnp.dtype(dtype).name}, {size} MB"
            yield Suite(name, calls, {"jreg.noise.dropout": budget}, missing, measured)


def prng(megabytes: int, rounds: int) -> Iterator[Suite]:
    """The peers' own dropout with a `hash_prng` key, against the same with a default key."""
    x = jax.random.normal(jax.random.key(0), (megabytes * 256, 1024))
    fast = jax.random.key(0, impl=random.hash_prng)
    for name, function in peers.installed()[0].items():
        compiled = jax.jit(function)
        calls = {"default key": partial(compiled, jax.random.key(0), x), "hash_prng key": partial(compiled, fast, x)}
        yield Suite(f"{name} dropout forward, {megabytes} MB", calls, {"hash_prng key": 0.15})


def family(megabytes: int, rounds: int) -> Iterator[Suite]:
    """Every elementwise member of the family, forward, against x * c."""
    x, rate = jax.random.normal(jax.random.key(0), (megabytes, 256, 1024)), jnp.float32(RATE)
    functions = {
        "x * c": lambda key, x: x * 1.1,
        "spatial_dropout": lambda key, x: noise.spatial_dropout(key, x, rate),
        "variational_dropout": lambda key, x: noise.variational_dropout(key, x, rate),
        "stochastic_depth": lambda key, x: noise.stochastic_depth(key, x, rate),
        "alpha_dropout": lambda key, x: noise.alpha_dropout(key, x, rate),
        "gaussian_dropout": lambda key, x: noise.gaussian_dropout(key, x, rate),
        "gaussian_noise": lambda key, x: noise.gaussian_noise(key, x, rate),
        "concrete_dropout": lambda key, x: noise.concrete_dropout(key, x, rate),
        "shakedrop": lambda key, x: noise.shakedrop(key, x, rate),
        "zoneout": lambda key, x: noise.zoneout(key, x, x, rate),
    }
    calls = {name: partial(jax.jit(function), jax.random.key(0), x) for name, function in functions.items()}
    yield Suite(f"noise forward, float32, {megabytes} MB", calls)


def dropblock(batch: int, rounds: int) -> Iterator[Suite]:
    """Blocks of 7 on maps of 28 x 28, against x * c."""
    x = jax.random.normal(jax.random.key(0), (batch, 28, 28, 64))
    functions = {
        "x * c": lambda key, x: x * 1.1,
        "dropblock": lambda key, x: noise.dropblock(key, x, RATE, block_size=7),
        "dropblock, shared channels": lambda key, x: noise.dropblock(key, x, RATE, block_size=7, shared_channels=True),
    }
    for what, wrap in (("forward", _forward), ("forward and backward", with_backward)):
        calls = {name: partial(jax.jit(wrap(function)), jax.random.key(0), x) for name, function in functions.items()}
        budgets = {"dropblock": 4.0} if what == "forward" else {}
        yield Suite(f"DropBlock {what}, {batch}x28x28x64, block 7", calls, budgets)


def dropconnect(size: int, rounds: int) -> Iterator[Suite]:
    """A dense layer of batch 64 under every kind of mask, against the product."""
    x, kernel = jax.random.normal(jax.random.key(0), (64, size)), jax.random.normal(jax.random.key(1), (size, size))

    def masked(masks: Any) -> Function:
        return lambda key, kernel: noise.dropconnect_dense(key, x, kernel, RATE, masks=masks)

    functions = {
        "x @ kernel": lambda key, kernel: x @ kernel,
        "dropconnect": lambda key, kernel: x @ noise.dropconnect(key, kernel, RATE, where=None),
        "masks='shared'": masked("shared"),
        "masks=8": masked(8),
        "masks='gaussian'": masked("gaussian"),
        "masks='example'": masked("example"),
    }
    budgets = {"dropconnect": 1.1, "masks='shared'": 1.1, "masks='example'": 8.0}
    for what, wrap in (("forward", _forward), ("forward and backward", with_backward)):
        calls = {
            name: partial(jax.jit(wrap(function)), jax.random.key(0), kernel) for name, function in functions.items()
        }
        yield Suite(f"DropConnect {what}, batch 64, {size}x{size}", calls, budgets)


def residual(width: int, rounds: int) -> Iterator[Suite]:
    """The gradient of four residual blocks at rate 0.4, against the blocks without noise."""
    x = jax.random.normal(jax.random.key(0), (512, width))
    kernels = jax.random.normal(jax.random.key(1), (4, 2, width, width)) / width**0.5

    def step(rate: float, skip: Any) -> Callable[[], Any]:
        def loss(kernels: jax.Array, x: jax.Array, key: jax.Array | None) -> jax.Array:
            for block, block_key in zip(kernels, random.split(key, 4), strict=True):
                x = noise.residual(
                    lambda _, x, block=block: jax.nn.relu(x @ block[0]) @ block[1], block_key, x, rate, skip=skip
                )
            return jnp.mean(x**2)

        # Which blocks a "cond" skips depends on the key, so each call takes the next of 16.
        keys = iter(list(jax.random.split(jax.random.key(0), 16)) * 1000)
        gradient = jax.jit(jax.grad(loss))
        return lambda: gradient(kernels, x, next(keys) if rate else None)

    calls = {"no drop": step(0.0, "mask"), **{f"skip={skip!r}": step(0.4, skip) for skip in ("mask", "subset", "cond")}}
    budgets = {"skip='subset'": 0.68, "skip='cond'": 0.68}
    yield Suite(f"residual blocks, gradient, batch 512, width {width}, rate 0.4", calls, budgets)


def transformer(num_layers: int, rounds: int) -> Iterator[Suite]:
    """The gradient of a small causal transformer with dropout at every usual site, against the same without."""
    width, heads, length, batch = 256, 4, 128, 16
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

    def loss(layers: Any, x: jax.Array, key: jax.Array | None, drop: Function) -> jax.Array:
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

    drops = {
        "no dropout": lambda key, x: x,
        "jreg.noise.dropout": lambda key, x: noise.dropout(key, x, RATE),
        **{name: function for name, function in peers.installed()[0].items() if name == "flax.linen"},
    }
    steps = {name: jax.jit(jax.grad(partial(loss, drop=drop))) for name, drop in drops.items()}
    calls = {name: partial(step, layers, tokens, jax.random.key(0)) for name, step in steps.items()}
    sites = 1 + 4 * num_layers
    name = f"transformer gradient, {num_layers} layers, d {width}, T {length}, B {batch}, {sites} sites"
    yield Suite(name, calls, {"jreg.noise.dropout": 1.01})


def with_backward(function: Function) -> Function:
    return jax.grad(lambda key, x: jnp.sum(jnp.square(function(key, x).astype(jnp.float32))), argnums=1)


def _forward(function: Function) -> Function:
    return function


def _dropped(rate: jax.Array, key: jax.Array, x: jax.Array) -> jax.Array:
    return noise.dropout(key, x, rate)


def _layer_norm(x: jax.Array) -> jax.Array:
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
