"""The rest of the noise family, against a copy or a dense product."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jreg import noise

from ..measure import Plan, Suite
from . import peers, torch_process
from .dropout import copied, forward, with_backward
from .peers import RATE

Function = Callable[..., Any]
BLOCK = 7


def family(plan: Plan) -> Iterator[Suite]:
    """Every elementwise member of the family, forward, against x * c."""
    x, rate = jax.random.normal(jax.random.key(0), (plan.size, 256, 1024)), jnp.float32(RATE)
    functions = {
        "x * c": copied,
        "variational_dropout": lambda key, x: noise.variational_dropout(key, x, rate),
        "stochastic_depth": lambda key, x: noise.stochastic_depth(key, x, rate),
        "stochastic_depth, per='batch'": lambda key, x: noise.stochastic_depth(key, x, rate, per="batch"),
        "alpha_dropout": lambda key, x: noise.alpha_dropout(key, x, rate),
        "gaussian_dropout": lambda key, x: noise.gaussian_dropout(key, x, rate),
        "gaussian_noise": lambda key, x: noise.gaussian_noise(key, x, rate),
        "concrete_dropout": lambda key, x: noise.concrete_dropout(key, x, rate),
        "shakedrop": lambda key, x: noise.shakedrop(key, x, rate),
        "zoneout": lambda key, x: noise.zoneout(key, x, x, rate),
    }
    layers, missing = peers.installed(plan, {"keras": keras_layers})
    functions |= {f"keras {name}": function for name, function in layers.get("keras", {}).items()}
    calls = {name: partial(jax.jit(function), jax.random.key(0), x) for name, function in functions.items()}
    with torch_process.started(plan, "alpha_dropout", rows=plan.size * 256) as torch:
        calls |= {f"{name} alpha_dropout": case for name, case in torch.cases.items()}
        yield Suite(f"noise forward, float32, {plan.size} MB", calls, {}, (*missing, *torch.missing))


def keras_layers(module: Any) -> dict[str, peers.Noise]:
    layers = module.layers
    made = (layers.AlphaDropout(RATE), layers.GaussianDropout(RATE), layers.GaussianNoise(RATE))
    return {type(layer).__name__: peers.from_keras(layer) for layer in made}


def spatial(plan: Plan) -> Iterator[Suite]:
    """Whole channels of maps of 32 x 32, forward, against x * c."""
    batch, channels, side = plan.size * 4, 64, 32
    x, rate = jax.random.normal(jax.random.key(0), (batch, side, side, channels)), jnp.float32(RATE)
    maps = {"broadcast_dims": (1, 2)}
    others, missing = peers.installed(
        plan,
        {
            "flax.linen": partial(peers.linen, **maps),
            "flax.nnx": partial(peers.nnx, **maps),
            "keras": lambda module: peers.from_keras(module.layers.SpatialDropout2D(RATE)),
        },
    )
    functions = {
        "x * c": copied,
        "jreg.noise.spatial_dropout": lambda key, x: noise.spatial_dropout(key, x, rate),
        **others,
    }
    calls = {
        name: partial(jax.jit(function), jax.random.key(0, impl=impl), x)
        for name, (function, impl) in peers.under_keys(functions).items()
    }
    with torch_process.started(plan, "spatial_dropout", batch=batch, channels=channels, side=side) as torch:
        name = f"spatial dropout forward, float32, {x.nbytes // 2**20} MB"
        yield Suite(name, {**calls, **torch.cases}, {}, (*missing, *torch.missing))


def dropblock(plan: Plan) -> Iterator[Suite]:
    """Blocks of 7 on maps of 28 x 28, against x * c: on 64 images, and on as many as exceed the caches."""
    for batch in (1,) if plan.is_quick else (64, 5 * plan.size):
        x = jax.random.normal(jax.random.key(0), (batch, 28, 28, 64))
        functions = {
            "x * c": copied,
            "dropblock": lambda key, x: noise.dropblock(key, x, RATE, block_size=BLOCK),
            "dropblock, shared channels": lambda key, x: noise.dropblock(
                key, x, RATE, block_size=BLOCK, shared_channels=True
            ),
            "a max-pool window": max_pool_dropblock,
        }
        for what, wrap in (("forward", forward), ("forward and backward", with_backward)):
            calls = {name: partial(jax.jit(wrap(made)), jax.random.key(0), x) for name, made in functions.items()}
            budgets = {"dropblock": 2.5} if what == "forward" else {}
            yield Suite(f"DropBlock {what}, {batch}x28x28x64, block {BLOCK}", calls, budgets)


def max_pool_dropblock(key: jax.Array, x: jax.Array) -> jax.Array:
    """As the peers of other frameworks write it: seeds, widened by a window of maxima."""
    share = RATE / BLOCK**2 * x.shape[1] * x.shape[2] / ((x.shape[1] - BLOCK + 1) * (x.shape[2] - BLOCK + 1))
    seeds = jax.random.bernoulli(key, share, x.shape).astype(x.dtype)
    dropped = lax.reduce_window(seeds, 0.0, lax.max, (1, BLOCK, BLOCK, 1), (1, 1, 1, 1), "SAME")
    mask = 1.0 - dropped
    return x * mask * (mask.size / jnp.sum(mask))


def dropconnect(plan: Plan) -> Iterator[Suite]:
    """A dense layer of batch 64 under every kind of mask, against the product."""
    size = plan.size
    x, kernel = jax.random.normal(jax.random.key(0), (64, size)), jax.random.normal(jax.random.key(1), (size, size))

    def masked(per: Any) -> Function:
        return lambda key, kernel: noise.dropconnect_dense(key, x, kernel, RATE, per=per)

    def bernoulli(key: jax.Array, kernel: jax.Array) -> jax.Array:
        return jnp.where(jax.random.bernoulli(key, 1 - RATE, kernel.shape), kernel / (1 - RATE), 0)

    functions = {
        "x @ kernel": lambda key, kernel: x @ kernel,
        "dropconnect": lambda key, kernel: x @ noise.dropconnect(key, kernel, RATE, mask=None),
        "per='batch'": masked("batch"),
        "per=8": masked(8),
        "per='gaussian'": masked("gaussian"),
        "per='example'": masked("example"),
        "jax.random.bernoulli, shared": lambda key, kernel: x @ bernoulli(key, kernel),
        "jax.random.bernoulli, per example": lambda key, kernel: jax.vmap(
            lambda key, row: row @ bernoulli(key, kernel)
        )(jax.random.split(key, len(x)), x),
    }
    budgets = {"dropconnect": 1.15, "per='batch'": 1.15}
    for what, wrap in (("forward", forward), ("forward and backward", with_backward)):
        calls = {
            name: partial(jax.jit(wrap(function)), jax.random.key(0), kernel) for name, function in functions.items()
        }
        yield Suite(f"DropConnect {what}, batch 64, {size}x{size}", calls, budgets)
