"""A pytree as named leaves that can be stored, and back in the form of a template.

Arrays of every dtype go to the storage; Python numbers, None and arrays without elements are written out in words. A
typed key is stored as its data beside the name of its implementation, which the template supplies on the way back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..._core.checks import Checks
from ..._core.keys import of_dtype
from ..._core.trees import path_name
from ..._core.types import Tree
from ._notes import require_short

SCALARS = (bool, int, float)


class Leaf(NamedTuple):
    """What is known of a leaf without its numbers: `kind` is a dtype, None, or a type of Python's."""

    path: str
    kind: str
    shape: tuple[int, ...] = ()
    value: Any = None

    def __str__(self) -> str:
        return f"{self.kind}{list(self.shape)}"


def describe(tree: Tree) -> list[Leaf]:
    """The leaves of a tree in order, those that are None included.

    Raises:
      TypeError: a leaf that is no array, number or None, or that would not come back as it is, named by its path.
      ValueError: two leaves whose paths read the same, or a number of thousands of digits.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_none)
    described = [_described(path_name(path), leaf) for path, leaf in leaves]
    twice = [path for path, times in Counter(leaf.path for leaf in described).items() if times > 1]
    if twice:
        raise ValueError(f"Checkpoints: the paths of the state must differ; two leaves are at {twice[0]}")
    return described


def stored(tree: Tree) -> dict[str, Any]:
    """The arrays as storage takes them, each under the number of its leaf."""
    return {number: _data(leaf) for number, leaf in numbered(tree, count()).items()}


def below(written: list[list[Any]], prefix: str) -> dict[int, Leaf]:
    """The leaves of the subtree at a path, by number, with paths that begin there."""
    leaves = {n: Leaf(path, kind, tuple(shape), value) for n, (path, kind, shape, value) in enumerate(written)}
    if not prefix:
        return leaves
    inside = {n: leaf for n, leaf in leaves.items() if f"{leaf.path}/".startswith(f"{prefix}/")}
    return {n: leaf._replace(path=leaf.path[len(prefix) + 1 :]) for n, leaf in inside.items()}


def numbered(tree: Tree, numbers: Iterable[int]) -> dict[str, Any]:
    """The arrays that storage holds, those with elements, each under the number of its leaf."""
    leaves = jax.tree.leaves(tree, is_leaf=_is_none)
    return {str(n): leaf for n, leaf in zip(numbers, leaves, strict=False) if _is_array(leaf) and np.prod(leaf.shape)}


def numbers_of(saved: dict[int, Leaf], wanted: list[Leaf]) -> list[int]:
    """The number under which each leaf of a template was stored."""
    by_path = {leaf.path: number for number, leaf in saved.items()}
    return [by_path[leaf.path] for leaf in wanted]


def differences(saved: list[Leaf], wanted: list[Leaf]) -> list[str]:
    """Every way in which a template differs from what was saved, a line each."""
    old, new = ({leaf.path: leaf for leaf in leaves} for leaves in (saved, wanted))
    missing = [f"only in the template: {path or 'the root'}" for path in new if path not in old]
    extra = [f"only in the checkpoint: {path or 'the root'}" for path in old if path not in new]
    changed = [
        f"{path or 'the root'}: saved {old[path]}, the template has {new[path]}"
        for path in new
        if path in old and old[path][1:3] != new[path][1:3]
    ]
    return missing + extra + changed


def rebuilt(template: Tree, numbers: Sequence[int], saved: dict[int, Leaf], arrays: dict[str, Any]) -> Tree:
    """Fill a template with what was saved: each leaf becomes what it is in the template, on the same devices."""
    leaves, treedef = jax.tree.flatten(template, is_leaf=_is_none)
    filled = [_filled(leaf, saved[n], arrays.get(str(n))) for leaf, n in zip(leaves, numbers, strict=True)]
    return jax.tree.unflatten(treedef, filled)


def require_wide(template: Tree) -> None:
    """Refuse to narrow what was saved.

    Raises:
      ValueError: a leaf of jax has a dtype that jax does not hold under its present settings.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(template):
        if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) and not _is_key(leaf):
            held = jax.dtypes.canonicalize_dtype(leaf.dtype)
            if held != leaf.dtype:
                raise ValueError(
                    "restore: template must have dtypes that jax holds, and jax_enable_x64 is off; "
                    f"at {path_name(path) or 'its root'} {leaf.dtype} would become {held}"
                )


def sharding_of(leaf: Any) -> Any:
    """Where a template wants its leaf: None for wherever jax puts a new array."""
    is_free = isinstance(leaf, jax.Array) and not leaf.committed
    return None if is_free else getattr(leaf, "sharding", None)


def is_local(sharding: Any) -> bool:
    """Whether every process has an array of its own, which must be the same in all."""
    return jax.process_count() > 1 and sharding.is_fully_addressable


def _described(path: str, leaf: Any) -> Leaf:
    if leaf is None:
        return Leaf(path, "None")
    place = path or "its root"
    if type(leaf) in SCALARS:
        if type(leaf) is int:
            require_short(Checks("Checkpoints"), "the state", place, leaf)
        return Leaf(path, f"Python {type(leaf).__name__}", value=leaf)
    if not _is_array(leaf):
        raise TypeError(f"Checkpoints: the state must hold arrays, numbers and None; at {place} it has {leaf!r}")
    if isinstance(leaf, np.ma.MaskedArray):
        raise TypeError(
            f"Checkpoints: the state must hold its masks as arrays of their own; at {place} it has {leaf!r}"
        )
    if not _is_storable(leaf.dtype):
        raise TypeError(
            "Checkpoints: the state must hold arrays of bools and numbers, in the byte order of this machine; "
            f"at {place} it has dtype {leaf.dtype}"
        )
    return Leaf(path, str(leaf.dtype), tuple(leaf.shape))


def _is_storable(dtype: Any) -> bool:
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return True
    is_number = jnp.issubdtype(dtype, np.number) or dtype == np.bool_
    return is_number and dtype.isnative and dtype not in (np.longdouble, np.clongdouble)


def _filled(wanted: Any, leaf: Leaf, data: Any) -> Any:
    if not _is_array(wanted):
        return leaf.value
    if data is None:
        data = _empty(wanted)
    if isinstance(wanted, np.generic):
        return data[()]
    if isinstance(wanted, np.ndarray):
        return data
    sharding = sharding_of(wanted)
    data = of_dtype(data, wanted.dtype)
    if isinstance(data, jax.Array) and data.sharding == sharding:
        return data
    return jnp.asarray(data) if sharding is None else jax.device_put(data, sharding)


def _empty(wanted: Any) -> np.ndarray:
    if _is_key(wanted):
        wanted = jax.eval_shape(jax.random.key_data, wanted)
    return np.empty(wanted.shape, wanted.dtype)


def _data(leaf: Any) -> Any:
    leaf = jax.random.key_data(leaf) if _is_key(leaf) else leaf
    return leaf if isinstance(leaf, jax.Array) and not is_local(leaf.sharding) else np.asarray(leaf)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _is_none(leaf: Any) -> bool:
    return leaf is None
