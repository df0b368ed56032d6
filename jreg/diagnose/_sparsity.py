"""How many weights are exactly zero."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._core import leaves, trees
from .._core.checks import Checks
from .._core.types import Mask, Tree


class Sparsity(NamedTuple):
    """Exact zeros among the selected weights.

    Attributes:
      zeros: the number of weights that are exactly zero.
      size: the number of weights.
      fraction: `zeros / size`.
    """

    zeros: Int[Array, ""]
    size: int
    fraction: Float[Array, ""]


def sparsity(params: Tree, *, mask: Mask = leaves.kernels) -> Sparsity:
    """Count the weights that are exactly zero, in the kernels by default.

    Only exact zeros count: small weights are small, not sparse.

    Args:
      params: a pytree of arrays.
      mask: which leaves: a function of the tree, a tree (or prefix) of bools, or None for all.

    Raises:
      ValueError: `mask` selects nothing.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> found = diagnose.sparsity({"kernel": jnp.eye(3), "bias": jnp.zeros(3)})
    >>> int(found.zeros), found.size
    (6, 9)
    """
    chosen = trees.selected(Checks("sparsity"), mask, params)
    zeros = sum((jnp.sum(jnp.asarray(leaf) == 0) for leaf in chosen), start=jnp.zeros((), int))
    size = sum(jnp.size(leaf) for leaf in chosen)
    return Sparsity(zeros, size, zeros / max(size, 1))
