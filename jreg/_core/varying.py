"""Values that differ between the shards of a `shard_map`.

Its `check_vma` has every loop carry, and every cotangent, keep its type, which tells the mesh axes that a value varies
over. What is made inside, such as zeros to add to, varies over none until it is said to.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax import lax

from .types import Tree

T = TypeVar("T")


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
    if not any(map(over, jax.tree.leaves((carry, read)))):
        return carry
    while True:
        typed = jax.tree.map(varying_like, carry, jax.eval_shape(body, carry))
        if jax.tree.map(over, typed) == jax.tree.map(over, carry):
            return typed
        carry = typed


def over(x: Any) -> frozenset[str]:
    """The mesh axes that a value varies over; older versions of JAX call them `vma`."""
    aval = x if isinstance(x, jax.ShapeDtypeStruct) else jax.typeof(x)
    manual = getattr(aval, "manual_axis_type", None)
    return getattr(aval, "vma", None) or frozenset() if manual is None else manual.varying
