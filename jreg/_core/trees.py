"""Pytrees: the leaves that a mask selects, and checks of structure, shapes and leaves.

A mask is a function of the tree, a pytree (or prefix) of bools, or None for all. A mask that selects nothing raises: a
regularizer that silently does nothing is the worst bug of all.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import checks, dtypes
from .checks import Checks, is_traced
from .types import Mask, Tree


def path_name(path: Any) -> str:
    """The path of a leaf as `a/b/0`."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def selection(check: Checks, mask: Mask, tree: Tree, *, elementwise: bool = False) -> Tree:
    """Resolve `mask` to a pytree of Python bools in the structure of `tree`, after checking every leaf of `tree`.

    Leaves of integers and bools are never selected. If `elementwise`, the mask may also hold traced bools and arrays of
    bools, one for each element of a leaf.
    """
    checked = jax.tree_util.tree_map_with_path(lambda path, leaf: _is_regularizable(check, path, leaf), tree)
    chosen = resolved(check, mask, tree, elementwise=elementwise)
    taken = jax.tree.map(lambda wanted, possible: wanted if possible else False, chosen, checked)
    _refuse_nothing(check, tree, taken)
    return taken


def selected(check: Checks, mask: Mask, tree: Tree) -> list[Any]:
    """The leaves of `tree` that `mask` selects."""
    taken = jax.tree.leaves(selection(check, mask, tree))
    return [leaf for leaf, is_taken in zip(jax.tree.leaves(tree), taken, strict=True) if is_taken]


def resolved(check: Checks, mask: Mask, tree: Tree, *, elementwise: bool = False) -> Tree:
    """The choice of a mask for each leaf of a tree: a Python bool or, if `elementwise`, an array of bools."""
    if mask is None:
        return jax.tree.map(lambda _: True, tree)
    chosen = jax.tree_util.tree_map_with_path(
        lambda path, leaf: _chosen(check, path, leaf, elementwise), mask(tree) if is_function(mask) else mask
    )
    return prefixed(check, "mask", chosen, tree)


def same_structure(check: Checks, argument: str, tree: Tree, reference: Tree, model: str = "params") -> None:
    """Raise unless a tree has the structure and exactly the shapes of `reference`, which errors call `model`."""
    if jax.tree.structure(tree) != jax.tree.structure(reference):
        differing = jax.tree_util.tree_leaves_with_path(tree), jax.tree_util.tree_leaves_with_path(reference)
        paths = [{path_name(path) for path, _ in leaves} for leaves in differing]
        raise ValueError(
            f"{check}: {argument} must have the structure of {model}; "
            f"only in {argument}: {sorted(paths[0] - paths[1])}, only in {model}: {sorted(paths[1] - paths[0])}"
        )

    def compare(path: Any, leaf: Any, other: Any) -> None:
        check_leaf(check, argument, path, leaf)
        if jnp.shape(leaf) != jnp.shape(other):
            raise ValueError(
                f"{check}: {argument} must have the shapes of {model}; "
                f"at {path_name(path) or 'its root'} it has {jnp.shape(leaf)} for {jnp.shape(other)}"
            )

    jax.tree_util.tree_map_with_path(compare, tree, reference)


def check_axes(check: Checks, axis: Any, taken: Tree, tree: Tree) -> None:
    """Raise an error with the leaf's path unless every selected leaf of `tree` has the axes."""

    def check_one(path: Any, is_taken: Any, leaf: Any) -> None:
        if is_taken is not False:
            check.axes("axis", axis, jnp.ndim(leaf), f" at {path_name(path) or 'its root'}")

    jax.tree_util.tree_map_with_path(check_one, taken, tree)


def prefixed(check: Checks, argument: str, prefix: Tree, tree: Tree) -> Tree:
    """Give every leaf of `tree` the value that `prefix` has for it or for a subtree that holds it."""
    try:
        return jax.tree.map(lambda value, subtree: jax.tree.map(lambda _: value, subtree), prefix, tree)
    except ValueError as error:
        raise ValueError(f"{check}: {argument} must be a prefix of the tree that it is for; {error}") from error


def is_function(value: Any) -> bool:
    """Tell a function from a callable pytree, such as an equinox module: only a function is itself a leaf."""
    return callable(value) and jax.tree.structure(value) == jax.tree.structure(0)


def _chosen(check: Checks, path: Any, leaf: Any, elementwise: bool) -> Any:
    is_array = isinstance(leaf, jax.Array | np.ndarray) and leaf.dtype == bool
    if isinstance(leaf, bool | np.bool_) or (is_array and leaf.ndim == 0 and not is_traced(leaf)):
        return bool(leaf)
    if is_array and elementwise:
        return leaf if is_traced(leaf) else np.asarray(leaf)
    raise TypeError(f"{check}: mask must hold bools; at {path_name(path) or 'its root'} it has {leaf!r}")


def _refuse_nothing(check: Checks, tree: Tree, taken: Tree) -> None:
    def takes(choice: Any) -> bool:
        return is_traced(choice) or bool(np.any(choice))

    if jax.tree.leaves(tree) and not any(map(takes, jax.tree.leaves(taken))):
        paths = ", ".join(path_name(path) or "(a bare leaf)" for path, _ in jax.tree_util.tree_leaves_with_path(tree))
        raise ValueError(
            f"{check}: mask must select at least one leaf of floats; it selects none of: {paths}. "
            "Pass mask=None for all, or a function of the tree"
        )


def _is_regularizable(check: Checks, path: Any, leaf: Any) -> bool:
    if isinstance(leaf, int | float | complex):
        return isinstance(leaf, float | complex)
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or jnp.issubdtype(dtype, jax.dtypes.prng_key) or not hasattr(leaf, "shape"):
        raise TypeError(
            f"{check}: tree must hold arrays; at {path_name(path) or 'its root'} it has {leaf!r}. "
            "Separate the arrays from the rest first"
        )
    refuse_foreign(check, "tree", path, leaf)
    return jnp.issubdtype(dtype, jnp.inexact)


def check_leaves(check: Checks, argument: str, tree: Tree) -> None:
    """Raise if a tree holds anything but numbers and arrays that JAX can compute with."""
    jax.tree_util.tree_map_with_path(partial(check_leaf, check, argument), tree)


def check_leaf(check: Checks, argument: str, path: Any, leaf: Any) -> None:
    if not hasattr(leaf, "dtype") and not isinstance(leaf, int | float | complex):
        place = path_name(path) or "its root"
        raise TypeError(f"{check}: {argument} must hold arrays; at {place} it has {checks.shown(leaf)}")
    most = np.iinfo(jax.dtypes.canonicalize_dtype(int)).max
    if isinstance(leaf, int) and abs(leaf) > most:
        place = path_name(path) or "its root"
        raise ValueError(
            f"{check}: {argument} must hold ints of at most {most}; at {place} it has {checks.shown(leaf)}"
        )
    refuse_foreign(check, argument, path, leaf)


def refuse_foreign(check: Checks, argument: str, path: Any, leaf: Any) -> None:
    """Raise for a numpy array that JAX would refuse without saying where it is."""
    if hasattr(leaf, "dtype") and (obstacle := dtypes.obstacle(leaf)):
        place = path_name(path) or "its root"
        raise TypeError(f"{check}: {argument} must hold arrays that JAX can compute with; at {place} it has {obstacle}")
