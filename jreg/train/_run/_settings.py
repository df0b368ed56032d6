"""The settings of a run as text: what a resumed run must share with the run that it continues."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._core.trees import path_name
from ..._core.types import Tree
from .._schedule import PerEpoch, is_schedule

SHOWN = 8
"""Arrays of more elements are compared by a digest."""
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def settings(hyper: Tree, opt_state: Tree, **options: Any) -> dict[str, str]:
    """Every leaf of `hyper` with its value, the optimizer's state with shapes and dtypes, the options by name."""
    leaves = jax.tree_util.tree_leaves_with_path(hyper, is_leaf=lambda leaf: leaf is None or is_schedule(leaf))
    state = jax.tree_util.tree_leaves_with_path(opt_state)
    return {
        **{name: str(value) for name, value in options.items()},
        **{_join("hyper", path): _value(leaf) for path, leaf in leaves},
        "opt_state": ADDRESS.sub("", str(jax.tree.structure(opt_state))),
        **{_join("opt_state", path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in state},
    }


def digest(values: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Every setting that differs, a line each."""
    names = [*before, *(name for name in now if name not in before)]
    pairs = {name: (before.get(name, "absent"), now.get(name, "absent")) for name in names}
    return [f"{name}: {old} before, {new} now" for name, (old, new) in pairs.items() if old != new]


def _join(name: str, path: Any) -> str:
    return f"{name}/{path_name(path)}" if path else name


def _value(leaf: Any) -> str:
    """What the step sees of a leaf: a Python number is the array that jax makes of it."""
    if leaf is None:
        return "None"
    if is_schedule(leaf):
        kind = "per epoch" if isinstance(leaf, PerEpoch) else "per step"
        return f"{kind}, by a function" if leaf.schedule is not None else f"{kind} {_value(leaf.values)}"
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        return f"{leaf.dtype}{list(leaf.shape)}"
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return f"{leaf.dtype} {np.asarray(jax.random.key_data(leaf)).tolist()}"
    array = np.asarray(jnp.asarray(leaf))
    if array.size > SHOWN:
        return f"{array.dtype}{list(array.shape)} with digest {hashlib.sha256(array.tobytes()).hexdigest()[:16]}"
    return f"{array.dtype} {array.item() if not array.ndim and array.dtype == bool else _text(array)}"


def _text(array: np.ndarray) -> str:
    return str(array[()]) if not array.ndim else f"[{', '.join(map(_text, array))}]"
