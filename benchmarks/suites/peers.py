"""What the peers in this process offer, as functions of (key, x): each with rate 0.1, where it is installed."""

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import jax

from ..measure import Plan
from ..torch_peer import RATE

Noise = Callable[[jax.Array, Any], Any]
PEERS = ("flax", "equinox", "haiku", "torch", "dm_pix", "augmax", "keras", "optax")
"""The names that a peer's cases begin with."""
FUSING = ("philox2x32", "philox4x32")
"""The generators of jax whose words fuse, as ours do: a peer at its best."""


def installed(plan: Plan, makers: Mapping[str, Callable[[Any], Any]]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What each maker makes of its module, and the names of the modules that are asked for and not installed."""
    # Read by Keras when it is imported.
    os.environ.setdefault("KERAS_BACKEND", "jax")
    found, missing = {}, []
    for name, make in makers.items():
        if name.split(".")[0] not in plan.peers:
            continue
        try:
            found[name] = make(importlib.import_module(name))
        except ImportError:
            missing.append(name)
    return found, tuple(missing)


def dropouts(plan: Plan) -> tuple[dict[str, Noise], tuple[str, ...]]:
    """The dropout of every peer, and the names of those that are missing."""
    return installed(plan, {"flax.linen": linen, "flax.nnx": nnx, "equinox": equinox, "haiku": haiku, "keras": keras})


def under_keys(functions: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Each function with the implementation of its keys: None for the default and, for the peers, each that fuses."""
    plain = {name: (function, None) for name, function in functions.items()}
    # A generator of Keras has a state of its own.
    keyed = [name for name in functions if name.startswith(PEERS) and not name.startswith("keras")]
    return plain | {f"{name}, {impl} key": (functions[name], impl) for name in keyed for impl in FUSING}


def linen(module: Any, **settings: Any) -> Noise:
    layer = module.Dropout(RATE, deterministic=False, **settings)
    return lambda key, x: layer.apply({}, x, rngs={"dropout": key})


def nnx(module: Any, **settings: Any) -> Noise:
    return lambda key, x: module.Dropout(RATE, **settings)(x, rngs=module.Rngs(dropout=key))


def equinox(module: Any) -> Noise:
    return lambda key, x: module.nn.Dropout(RATE)(x, key=key)


def haiku(module: Any) -> Noise:
    return lambda key, x: module.dropout(key, RATE, x)


def keras(module: Any) -> Noise:
    return from_keras(module.layers.Dropout(RATE))


def from_keras(layer: Any) -> Noise:
    """The layer as a function of a key, which takes the place of its generator's state."""

    def apply(key: jax.Array, x: Any) -> Any:
        if not layer.built:
            layer.build(jax.tree.map(jax.numpy.shape, x))
            layer.built = True
        state = [jax.random.key_data(key) for _ in layer.variables]
        return layer.stateless_call([], state, x, training=True)[0]

    return apply
