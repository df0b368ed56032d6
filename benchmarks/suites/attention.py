"""Attention with dropout: what dropping costs in time and memory, beside the peers, and sequences that few can take."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jreg import noise

from ..measure import Plan, Suite
from . import peers, torch_process
from .peers import RATE

BATCH, HEADS, WIDTH = 2, 8, 64
LONG = 8
"""How many times longer the long sequence is, which is one example of two heads."""
DROPS = ("weights", "keys", "heads")
Function = Callable[..., jax.Array]


def dropout(plan: Plan) -> Iterator[Suite]:
    """Forward, and the gradient of q, k and v, against the same attention without dropout."""
    key, qkv = jax.random.key(0), arrays(plan.size)
    others, missing = peers.installed(plan, {"flax.linen": linen, "flax.nnx": nnx, "keras": keras})
    functions = {"no dropout": plain, **{f"jreg.noise.attention, {drop}": dropping(drop) for drop in DROPS}}
    functions |= {"jax.nn, no dropout": in_full, **others}
    for what, wrap in (("forward", forward), ("gradient", gradient)):
        calls = {name: partial(jax.jit(wrap(function)), key, *qkv) for name, function in functions.items()}
        settings = {"batch": BATCH, "heads": HEADS, "length": plan.size, "width": WIDTH}
        with torch_process.started(plan, "attention", **settings, backward=wrap is gradient) as torch:
            yield Suite(
                f"attention {what}, float32, {BATCH} x {plan.size} x {HEADS} x {WIDTH}",
                {**calls, **torch.cases},
                {f"jreg.noise.attention, {drop}": 1.15 for drop in DROPS},
                (*missing, *torch.missing),
            )
    qkv = tuple(x[:1, :, :2] for x in arrays(LONG * plan.size))
    functions = {"no dropout": plain, "jreg.noise.attention, weights": dropping("weights")}
    yield Suite(
        f"attention gradient, float32, 1 x {LONG * plan.size} x 2 x {WIDTH}",
        {name: partial(jax.jit(gradient(function)), key, *qkv) for name, function in functions.items()},
        {"jreg.noise.attention, weights": 1.15},
    )


def arrays(length: int) -> tuple[jax.Array, ...]:
    keys = jax.random.split(jax.random.key(1), 3)
    return tuple(jax.random.normal(key, (BATCH, length, HEADS, WIDTH)) for key in keys)


def plain(key: jax.Array, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    return noise.attention(None, q, k, v, RATE)


def dropping(drop: Any) -> Function:
    return lambda key, q, k, v: noise.attention(key, q, k, v, jnp.float32(RATE), drop=drop)


def in_full(key: jax.Array, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    return jax.nn.dot_product_attention(q, k, v)


def linen(module: Any) -> Function:
    return partial(of_flax, module.dot_product_attention)


def nnx(module: Any) -> Function:
    return partial(of_flax, module.dot_product_attention)


def of_flax(attend: Any, key: jax.Array, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """A mask for each example and head, as ours; by default flax shares one among all of them."""
    return attend(q, k, v, dropout_rng=key, dropout_rate=RATE, broadcast_dropout=False)


def keras(module: Any) -> Function:
    """Its layer for one head, which has no scale; examples and heads are one batch."""
    attend = peers.from_keras(module.layers.Attention(dropout=RATE))

    def apply(key: jax.Array, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        q, v, k = (x.swapaxes(1, 2).reshape(-1, x.shape[1], WIDTH) for x in (q / WIDTH**0.5, v, k))
        return attend(key, [q, v, k])

    return apply


def forward(function: Function) -> Function:
    return function


def gradient(function: Function) -> Callable[..., Any]:
    return jax.grad(lambda key, *qkv: jnp.sum(jnp.square(function(key, *qkv))), argnums=(1, 2, 3))
