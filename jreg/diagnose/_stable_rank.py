"""How many directions a kernel really uses."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import dtypes, leaves, spectra
from .._core.checks import Checks
from .._core.types import Mask, Tree
from ._sparsity import named_leaves


def stable_rank(params: Tree, *, mask: Mask = leaves.kernels) -> dict[str, Float[Array, ""]]:
    """Compute the stable rank of each kernel, ||W||_F^2 / ||W||_2^2: its squared singular values over the largest one.

    It lies between 1 and the rank, and small singular values hardly count. Where it collapses in training, few
    directions carry the layer. A kernel with more than two axes counts as the matrix (all but the last axis, last
    axis), a kernel of zeros as 0.

    Args:
      params: a pytree of arrays.
      mask: which leaves: a function of the tree, a tree (or prefix) of bools, or None for all.

    Returns:
      the stable rank of each selected leaf, by its path.

    Raises:
      ValueError: `mask` selects nothing.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> {path: float(rank) for path, rank in diagnose.stable_rank({"kernel": jnp.diag(jnp.array([2.0, 1.0]))}).items()}
    {'kernel': 1.25}

    Rudelson and Vershynin, Sampling from Large Matrices, JACM 2007.
    """
    return {path: _rank(leaf) for path, leaf in named_leaves(Checks("stable_rank"), mask, params).items()}


def _rank(leaf: Array) -> Float[Array, ""]:
    w = leaf.astype(dtypes.widened(leaf.dtype))
    largest = jnp.max(jnp.abs(w), initial=0.0)
    w = w / jnp.where(largest == 0.0, 1.0, largest).astype(w.dtype)  # So that no square overflows.
    square, norm = jnp.sum(jnp.real(w * jnp.conj(w))), spectra.squared_norm(w)
    return jnp.where(norm == 0.0, 0.0, square / jnp.where(norm == 0.0, 1.0, norm))
