"""Values that differ between the shards of a `shard_map`, or lie on a mesh of explicit axes.

Its `check_vma` has every loop carry, and every cotangent, keep its type, which tells the mesh axes that a value varies
over. What is made inside, such as zeros to add to, varies over none until it is said to. On explicit axes the type also
tells how an array lies.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec

from .types import Tree

T = TypeVar("T")


def placed_like(x: Any, reference: Any) -> Any:
    """`x`, of the shape of `reference`, an array or its shape, typed to vary and to lie on a mesh as that does."""
    x = varying_like(x, reference)
    return x if _spec(x) == _spec(reference) else jax.sharding.reshard(x, _aval(reference).sharding)


def rows_of(x: jax.Array, rows: jax.Array) -> jax.Array:
    """Some rows of an array, which lie on an explicit mesh as all of them do."""
    return x.at[rows].get(out_sharding=jax.typeof(x).sharding) if any(_spec(x)) else jnp.take(x, rows, axis=0)


def gathered(x: jax.Array) -> jax.Array:
    """`x` whole on every device of an explicit mesh, for algebra that no layout of its axes would survive."""
    return jax.sharding.reshard(x, PartitionSpec()) if any(_spec(x)) else x


def varying_like(x: Any, reference: Any) -> Any:
    """`x`, typed to vary over the mesh axes that `reference`, an array or its shape, varies over; no value changes."""
    missing = over(reference) - over(x)
    if not missing:
        return x
    axes = tuple(sorted(missing))
    if not hasattr(lax, "pcast"):  # Before JAX 0.8.
        return lax.pvary(x, axes)  # pyright: ignore[reportAttributeAccessIssue]
    return lax.pcast(x, axes, to="varying")


def settled(body: Callable[[T], T], carry: T, *read: Tree) -> T:
    """The start of a loop's carry, typed to vary as what `body` makes of it, which `read` decides too."""
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


def _spec(x: Any) -> tuple:
    """How an array lies on a mesh of explicit axes; older versions of JAX keep it from its type."""
    sharding = getattr(_aval(x), "sharding", None)
    named = tuple(getattr(sharding, "spec", ()))
    return named if any(named) else ()


def _placement(x: Any) -> tuple[frozenset[str], tuple]:
    return over(x), _spec(x)


def _aval(x: Any) -> Any:
    return x if isinstance(x, jax.ShapeDtypeStruct) else jax.typeof(x)
