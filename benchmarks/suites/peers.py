"""The peers' dropout, as functions of (key, x): flax, equinox and haiku here, PyTorch in a process of its own."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import jax

Dropout = Callable[[jax.Array, jax.Array], jax.Array]
RATE = 0.1
PEERS = ("flax", "equinox", "haiku", "torch", "dm_pix", "augmax", "keras", "optax")
"""The names that a peer's cases begin with."""

_TORCH = """
import json, sys, time, torch
rows, rounds = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(int(sys.argv[3]))
x = torch.randn(rows, 1024, requires_grad=True)
dropout = torch.nn.functional.dropout

def forward():
    with torch.no_grad():
        return dropout(x, 0.1, training=True)

def both():
    x.grad = None
    dropout(x, 0.1, training=True).square().sum().backward()
    return x.grad

seconds = {"forward": [], "forward and backward": []}
for _ in range(rounds + 1):
    for name, call in (("forward", forward), ("forward and backward", both)):
        start = time.perf_counter()
        result = call()
        seconds[name].append(time.perf_counter() - start)
        del result
print(json.dumps({name: samples[1:] for name, samples in seconds.items()}))
"""


def installed() -> tuple[dict[str, Dropout], tuple[str, ...]]:
    """The dropout of every peer that is installed, and the names of those that are not."""
    found, missing = {}, []
    for module, make in {"flax.linen": linen, "flax.nnx": nnx, "equinox": equinox, "haiku": haiku}.items():
        try:
            found[module] = make(importlib.import_module(module))
        except ImportError:
            missing.append(module)
    return found, tuple(missing)


def torch_seconds(rows: int, rounds: int, threads: int) -> dict[str, list[float]]:
    """Seconds of PyTorch's dropout on float32[rows, 1024], measured before the others; {} without PyTorch."""
    command = [sys.executable, "-c", _TORCH, str(rows), str(rounds), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def linen(module: Any) -> Dropout:
    layer = module.Dropout(RATE, deterministic=False)
    return lambda key, x: layer.apply({}, x, rngs={"dropout": key})


def nnx(module: Any) -> Dropout:
    return lambda key, x: module.Dropout(RATE)(x, rngs=module.Rngs(dropout=key))


def equinox(module: Any) -> Dropout:
    return lambda key, x: module.nn.Dropout(RATE)(x, key=key)


def haiku(module: Any) -> Dropout:
    return lambda key, x: module.dropout(key, RATE, x)
