"""What is paid before the first step: importing, tracing and compiling."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

import jreg
from jreg import noise

from ..measure import Plan, Suite
from . import peers
from .dropout import ours, unchanged

USUAL = ("jreg.noise", "jreg.optim", "jreg.train")
_IMPORT = """
import importlib, sys, time
import jax, optax, flax
start = time.perf_counter()
for name in sys.argv[1:]:
    importlib.import_module(name)
print(time.perf_counter() - start)
"""


def imports(plan: Plan) -> Iterator[Suite]:
    """Seconds of an import after jax, optax and flax, each in a process of its own; flax.nnx is what a peer takes."""
    modules = {"flax.nnx": ("flax.nnx",), "jreg": ("jreg",), "jreg.noise, optim, train": USUAL}
    modules |= {"jreg, every namespace": tuple(f"jreg.{name}" for name in jreg.NAMESPACES)}
    modules |= {peer: (peer,) for peer in ("equinox", "haiku", "keras") if peer in plan.peers}
    measured = {name: [_import_seconds(names) for _ in range(plan.size)] for name, names in modules.items()}
    missing = tuple(name for name, seconds in measured.items() if not all(seconds))
    present = {name: seconds for name, seconds in measured.items() if name not in missing}
    yield Suite("import after jax, optax and flax", {}, missing=missing, measured=present)


def compilation(plan: Plan) -> Iterator[Suite]:
    """Tracing and compiling the gradient of a network with dropout after each layer, caches cleared for each call."""
    num_layers = plan.size
    x = jax.random.normal(jax.random.key(0), (32, 64))
    kernels = jax.random.normal(jax.random.key(1), (num_layers, 64, 64)) / 8
    drops: dict[str, Callable[..., Any]] = {
        "no dropout": unchanged,
        "jreg.noise.dropout": ours,
        **peers.dropouts(plan)[0],
    }

    def compiled(drop: Callable[..., Any]) -> Any:
        def loss(kernels: jax.Array, key: jax.Array) -> jax.Array:
            hidden = x
            for kernel, layer_key in zip(kernels, jax.random.split(key, num_layers), strict=True):
                hidden = drop(layer_key, jnp.tanh(hidden @ kernel))
            return jnp.sum(hidden**2)

        jax.clear_caches()
        return jax.jit(jax.grad(loss)).lower(kernels, jax.random.key(0)).compile() and None

    yield Suite(
        f"trace and compile, {num_layers} layers", {name: partial(compiled, drop) for name, drop in drops.items()}
    )


def traces(plan: Plan) -> Iterator[Suite]:
    """Applying dropout under many rates: one program where the rate is traced, one for each where it is static."""
    num_rates = plan.size
    x, key = jax.random.normal(jax.random.key(0), (32, 64)), jax.random.key(0)
    rates = [0.5 * i / num_rates for i in range(num_rates)]

    def traced() -> Any:
        jax.clear_caches()
        step = jax.jit(noise.dropout)
        return [step(key, x, jnp.float32(rate)) for rate in rates]

    def static() -> Any:
        jax.clear_caches()
        step = jax.jit(lambda key, x, rate: noise.dropout(key, x, rate), static_argnums=2)
        return [step(key, x, rate) for rate in rates]

    yield Suite(f"{num_rates} rates, compilation included", {"rates static": static, "jreg, rates traced": traced})


def _import_seconds(modules: tuple[str, ...]) -> float:
    """0 where a module is not installed."""
    settings = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", _IMPORT, *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    return float(done.stdout) if done.returncode == 0 else 0.0
