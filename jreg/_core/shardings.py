"""Meshes with explicit axes: there JAX refuses an operation until someone says how its result lies on the devices.

A gather along a sharded axis, a loop over one, and a choice between arrays that lie differently are such operations.
What they are part of says how the whole lies, and XLA finds the way there, as it does on other meshes.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array


def as_on_auto_axes(fn: Callable[..., Array], spec: PartitionSpec, *args: Array) -> Array:
    """`fn(*args)`, whose result lies as `spec` says; on a mesh without explicit axes, as XLA likes."""
    meshes = [jax.typeof(arg).sharding.mesh for arg in args]
    explicit = [mesh for mesh in meshes if mesh.explicit_axes]
    if not explicit:
        return fn(*args)
    spread: Any = jax.sharding.auto_axes(fn, out_sharding=NamedSharding(explicit[0], spec))
    return spread(*args)


def spec_like(model: Array, shape: tuple[int, ...]) -> PartitionSpec:
    """How an array of `shape` lies beside `model`: in as many shards along each axis, or whole if they do not fit."""
    sharding = jax.typeof(model).sharding
    sizes = dict(zip(sharding.mesh.axis_names, sharding.mesh.axis_sizes, strict=True))

    def fitting(names: Any, size: int) -> Any:
        num_shards = prod(sizes[name] for name in ((names,) if isinstance(names, str) else names or ()))
        return None if size % num_shards else names

    return PartitionSpec(*map(fitting, sharding.spec, shape))
