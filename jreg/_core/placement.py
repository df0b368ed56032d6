"""How values are placed on a mesh: which axes of a `shard_map` they vary over, and how arrays are sharded.

Both are part of an array's type if a mesh has manual or explicit axes. Under `check_vma` every loop carry and every
cotangent must keep the axes that it varies over; an array made inside, such as zeros to add to, varies over none until
it is cast. On explicit axes JAX refuses some operations unless the sharding of their result is given: a gather along a
sharded axis, a loop over one, a select between arrays with different shardings. The functions here take it from a
neighbouring array, and XLA finds the way there, as it does on other meshes.
"""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array

from .types import Tree

T = TypeVar("T")


def placed_like(x: Any, reference: Any) -> Any:
    """`x`, typed to vary and be sharded like `reference`, which is an array with as many axes or the shape of one."""
    return _in_shards(varying_like(x, reference), _spec(reference), _mesh(reference, x))


def placed_along(x: Array, reference: Array, num_axes: int = 1) -> Array:
    """`x`, sharded like `reference` along the first axes, which both share."""
    return _in_shards(x, _stripped(_spec(reference)[:num_axes]), _mesh(reference, x))


def gathered(x: Array) -> Array:
    """`x` in full on every device of an explicit mesh, for algebra that cannot run on shards."""
    return _in_shards(x, (), _mesh(x))


def rows_of(x: Array, rows: Array) -> Array:
    """Some rows of an array, sharded on an explicit mesh like the array, or unsharded if they do not divide evenly."""
    spec = spec_like(x, (rows.size, *x.shape[1:]))
    return as_on_auto_axes(partial(jnp.take, axis=0), spec, x, rows)


def looked_up(table: Array, ids: Array) -> Array:
    """The rows of a table at ids of any shape, sharded on an explicit mesh like the ids."""
    return as_on_auto_axes(lambda table, ids: table[ids], spec_like(ids, ids.shape), table, ids)


def as_on_auto_axes(fn: Callable[..., T], specs: Tree, *args: Tree) -> T:
    """`fn(*args)`, with results sharded by `specs`, a prefix of them; without explicit axes, as XLA chooses."""
    mesh = _mesh(*jax.tree.leaves(args))
    if mesh is None:
        return fn(*args)
    placed = jax.tree.map(partial(NamedSharding, mesh), specs, is_leaf=lambda leaf: isinstance(leaf, PartitionSpec))
    spread: Any = jax.sharding.auto_axes(fn, out_sharding=placed)
    return spread(*args)


def spec_like(model: Array, shape: tuple[int, ...]) -> PartitionSpec:
    """The sharding of `model` for an array of `shape`, without the axes that its shards do not divide evenly."""
    sharding = jax.typeof(model).sharding
    sizes = dict(zip(sharding.mesh.axis_names, sharding.mesh.axis_sizes, strict=True))

    def fitting(names: Any, size: int) -> Any:
        num_shards = prod(sizes[name] for name in ((names,) if isinstance(names, str) else names or ()))
        return None if size % num_shards else names

    return PartitionSpec(*map(fitting, sharding.spec, shape))


def varying_like(x: Any, reference: Any) -> Any:
    """`x`, typed to vary over the mesh axes that `reference`, an array or its shape, varies over; no value changes."""
    missing = over(reference) - over(x)
    return lax.pcast(x, tuple(sorted(missing)), to="varying") if missing else x


def settled(body: Callable[[T], T], carry: T, *read: Tree) -> T:
    """The start of a loop's carry, typed like what `body` returns for it; `body` also reads the arrays in `read`."""
    if not any(over(leaf) or any(_spec(leaf)) for leaf in jax.tree.leaves((carry, read))):
        return carry
    while True:
        typed = jax.tree.map(placed_like, carry, jax.eval_shape(body, carry))
        if jax.tree.map(_placement, typed) == jax.tree.map(_placement, carry):
            return typed
        carry = typed


def over(x: Any) -> frozenset[str]:
    """The mesh axes that a value varies over; older versions of JAX call them `vma`."""
    aval = _aval(x)
    manual = getattr(aval, "manual_axis_type", None)
    return getattr(aval, "vma", None) or frozenset() if manual is None else manual.varying


def _in_shards(x: Any, spec: tuple, mesh: Any) -> Any:
    """`x`, sharded by `spec` on a mesh of explicit axes; unchanged if there is none."""
    if mesh is None or _spec(x) == spec:
        return x
    return jax.sharding.reshard(x, NamedSharding(mesh, PartitionSpec(*spec)))


def _mesh(*arrays: Any) -> Any:
    """The mesh of explicit axes that one of the arrays lies on, or None."""
    meshes = (getattr(getattr(_aval(x), "sharding", None), "mesh", None) for x in arrays)
    return next((mesh for mesh in meshes if mesh is not None and mesh.explicit_axes), None)


def _spec(x: Any) -> tuple:
    """The sharding of an array on a mesh of explicit axes, up to its last sharded axis."""
    return _stripped(tuple(getattr(getattr(_aval(x), "sharding", None), "spec", ())))


def _stripped(spec: tuple) -> tuple:
    return spec[: max((place + 1 for place, name in enumerate(spec) if name), default=0)]


def _placement(x: Any) -> tuple[frozenset[str], tuple]:
    return over(x), _spec(x)


def _aval(x: Any) -> Any:
    return x if isinstance(x, jax.ShapeDtypeStruct) else jax.typeof(x)
