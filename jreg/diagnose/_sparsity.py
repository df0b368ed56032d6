"""How many weights are zero."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._core import dtypes, leaves, trees
from .._core.checks import Checks
from .._core.types import Mask, Number, Tree


class Sparsity(NamedTuple):
    """Zeros among the selected weights.

    Attributes:
      zeros: the number of weights that are zero.
      size: the number of weights.
      fraction: `zeros / size`.
      by_layer: the fraction of each leaf, by its path.
    """

    zeros: Int[Array, ""]
    size: int
    fraction: Float[Array, ""]
    by_layer: dict[str, Float[Array, ""]]


def sparsity(params: Tree, *, threshold: Number = 0.0, mask: Mask = leaves.kernels) -> Sparsity:
    """Count the weights that are zero, in all and in each leaf, in the kernels by default.

    Only exact zeros count, unless a threshold says what else does: small weights are small, not sparse.

    Args:
      params: a pytree of arrays.
      threshold: the size up to which a weight counts as zero, at least 0; a number, traced or not.
      mask: which leaves: a function of the tree, a tree (or prefix) of bools, or None for all.

    Raises:
      ValueError: `mask` selects nothing, or a concrete threshold below 0 (under a traced one the fractions are NaN, and
        `zeros` is -1).

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> found = diagnose.sparsity({"dense": {"kernel": jnp.eye(3), "bias": jnp.zeros(3)}})
    >>> int(found.zeros), found.size, f"{found.by_layer['dense/kernel']:.2f}"
    (6, 9, '0.67')
    """
    check = Checks("sparsity")
    limit = check.scalar("threshold", threshold, 0.0)
    chosen = named_leaves(check, mask, params)
    counts = {path: _count(leaf, limit) for path, leaf in chosen.items()}
    sizes = {path: jnp.size(leaf) for path, leaf in chosen.items()}
    spoil = jnp.where(jnp.isnan(limit), jnp.nan, 0.0)
    zeros, size = sum(counts.values(), start=jnp.zeros((), int)), sum(sizes.values())
    by_layer = {path: count / max(sizes[path], 1) + spoil for path, count in counts.items()}
    return Sparsity(jnp.where(jnp.isnan(limit), -1, zeros), size, zeros / max(size, 1) + spoil, by_layer)


def named_leaves(check: Checks, mask: Mask, params: Tree) -> dict[str, Array]:
    """The selected leaves by their paths; a bare array is "params"."""
    taken = jax.tree.leaves(trees.selection(check, mask, params))
    found = zip(jax.tree_util.tree_leaves_with_path(params), taken, strict=True)
    return {trees.path_name(path) or "params": jnp.asarray(leaf) for (path, leaf), is_taken in found if is_taken}


def _count(leaf: Array, limit: Array) -> Array:
    sizes = jnp.abs(leaf.astype(dtypes.widened(leaf.dtype)))
    return jnp.sum(sizes <= limit.astype(sizes.dtype))
