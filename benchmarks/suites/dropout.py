"""Dropout of ours and of the peers: alone, under vmap, in a scan of layers, and the peers' own with a faster key."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jreg import noise, random

from ..measure import Plan, Suite
from . import peers, torch_process
from .peers import Noise

LANES, LAYERS = 8, 8


def dropout(plan: Plan) -> Iterator[Suite]:
    """Forward, and forward with backward, against x * c."""
    x = jax.random.normal(jax.random.key(0), (plan.size * 256, 1024))
    others, missing = peers.dropouts(plan)
    rate = jnp.float32(peers.RATE)
    functions = {"x * c": copied, "jreg.noise.dropout": lambda key, x: noise.dropout(key, x, rate), **others}
    keyed = peers.under_keys(functions)
    for dtype in (jnp.float32, jnp.bfloat16):
        data, name = x.astype(dtype), jnp.dtype(dtype).name
        # The peers all draw with jax.random.bernoulli: in bfloat16 one of them stands for the rest.
        spare = ("flax.nnx", "equinox", "haiku", "keras") if dtype == jnp.bfloat16 else ()
        for what, wrap, budget in (
            ("forward", forward, by_pages(1.15, 1.35)),
            ("forward and backward", with_backward, by_pages(1.1, 1.25)),
        ):
            calls = {
                case: partial(jax.jit(wrap(function)), jax.random.key(0, impl=impl), data)
                for case, (function, impl) in keyed.items()
                if not case.startswith(spare)
            }
            with torch_process.started(
                plan, "dropout", rows=len(x), dtype=name, backward=wrap is with_backward
            ) as torch:
                yield Suite(
                    f"dropout {what}, {name}, {data.nbytes / 2**20:g} MB",
                    {**calls, **torch.cases},
                    {"jreg.noise.dropout": budget},
                    (*missing, *torch.missing),
                )
    yield lanes(plan, x, others, missing)
    yield scan(plan, others, missing)


def lanes(plan: Plan, x: jax.Array, others: dict[str, Noise], missing: tuple[str, ...]) -> Suite:
    """Under vmap, with a key for each lane; ours takes a rate for each lane too."""
    x, rates = x.reshape(LANES, -1, 1024), jnp.linspace(0.0, 2 * peers.RATE, LANES)
    cases = {"x * c": copied, "jreg.noise.dropout": lambda key, x: jax.vmap(noise.dropout)(key, x, rates)}
    cases |= {name: jax.vmap(function) for name, function in others.items()}
    calls = {
        name: partial(jax.jit(function), jax.random.split(jax.random.key(0, impl=impl), LANES), x)
        for name, (function, impl) in peers.under_keys(cases).items()
    }
    name = f"dropout forward under vmap, {LANES} keys, float32, {plan.size} MB"
    return Suite(name, calls, {"jreg.noise.dropout": by_pages(1.15, 1.35)}, missing)


def scan(plan: Plan, others: dict[str, Noise], missing: tuple[str, ...]) -> Suite:
    """The gradient of layers `x + dropout(tanh(x @ kernel))` under scan: what matters most is the memory."""
    batch, width = (8192, 256) if not plan.is_quick else (64, 32)
    x = jax.random.normal(jax.random.key(0), (batch, width))
    kernels = jax.random.normal(jax.random.key(1), (LAYERS, width, width)) / width
    drops = peers.under_keys({"no dropout": unchanged, "jreg.noise.dropout": ours, **others})
    if "flax.linen" in others:
        drops["flax.linen, hash_prng key"] = others["flax.linen"], random.hash_prng
    calls = {
        name: partial(
            jax.jit(jax.grad(partial(scanned, drop), argnums=(1, 2))), jax.random.key(0, impl=impl), kernels, x
        )
        for name, (drop, impl) in drops.items()
    }
    return Suite(f"gradient of a scan of {LAYERS} layers, {batch} x {width}", calls, {}, missing)


def scanned(drop: Noise, key: jax.Array, kernels: jax.Array, x: jax.Array) -> jax.Array:
    def layer(x: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        key, kernel = inputs
        return x + drop(key, jnp.tanh(x @ kernel)), None

    return jnp.sum(lax.scan(layer, x, (jax.random.split(key, len(kernels)), kernels))[0] ** 2)


def prng(plan: Plan) -> Iterator[Suite]:
    """The peers' own dropout with keys that fuse, `hash_prng` among them, against the same with a default key."""
    x = jax.random.normal(jax.random.key(0), (plan.size * 256, 1024))
    keys = {name: jax.random.key(0, impl=name) for name in peers.FUSING}
    keys = {"default": jax.random.key(0), "hash_prng": jax.random.key(0, impl=random.hash_prng), **keys}
    for name, function in peers.dropouts(plan)[0].items():
        # A generator of Keras has a state of its own.
        if name == "keras":
            continue
        compiled = jax.jit(function)
        calls = {f"{kind} key": partial(compiled, key, x) for kind, key in keys.items()}
        yield Suite(f"{name} dropout forward, {plan.size} MB", calls, {"hash_prng key": 0.15})


def by_pages(small: float, huge: float) -> float:
    """A budget beside a copy, most of whose time on a CPU is page faults unless its pages are huge."""
    return huge if "hugetlb=1" in os.environ.get("GLIBC_TUNABLES", "") else small


def ours(key: jax.Array, x: jax.Array) -> jax.Array:
    return noise.dropout(key, x, peers.RATE)


def copied(key: jax.Array, x: jax.Array) -> jax.Array:
    return x * 1.1


def unchanged(key: jax.Array, x: jax.Array) -> jax.Array:
    return x


def forward(function: Noise) -> Noise:
    return function


def with_backward(function: Noise) -> Callable[..., Any]:
    return jax.grad(lambda key, x: jnp.sum(jnp.square(function(key, x).astype(jnp.float32))), argnums=1)
