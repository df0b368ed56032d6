"""Penalties on a kernel as a whole: as a linear map, or by its distance from where training started.

A kernel with more than two axes is reshaped to the matrix (all but the last axis, last axis), as flax lays out a
convolution: (*window, in, out) becomes (window * in, out). Kernels stacked along a leading axis, as under a scan over
layers, look the same: map over them with `jax.vmap`. Matrix products run in full float32 even where the device would
multiply in fewer bits.
"""

from __future__ import annotations

from functools import partial
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Inexact

from .._core import leaves, norms, trees
from .._core.checks import Checks
from .._core.placement import gathered, varying_like
from .._core.types import Mask, Tree
from ._sums import half_square, total, wide

_multiply = partial(jnp.matmul, precision=lax.Precision.HIGHEST)


def orthogonality(tree: Tree, *, mask: Mask = leaves.kernels) -> Float[Array, ""]:
    """Penalize the distance of the Gram matrix from the identity: ||W^H W - I||_F^2, or ||W W^H - I||_F^2 if W is wide.

    It takes the smaller of the two Gram matrices, the one that can be the identity. There is no factor 1/2, as in the
    soft orthogonality of the paper. A kernel of zeros is a stationary point, where the penalty is the length of the
    shorter side.

    Args:
      tree: a kernel or a pytree of them, each of two axes or more; an empty one gives 0.
      mask: which leaves; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      TypeError: a leaf that is not an array, named by its path.
      ValueError: `mask` selects nothing, or a leaf with fewer than two axes, named by its path.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.orthogonality(2.0 * jnp.eye(3)))
    27.0

    Bansal, Chen and Wang, Can We Gain More from Orthogonality Regularizations in Training Deep CNNs?, NeurIPS 2018.
    """

    def measure(w: Array) -> Array:
        gram = _gram(w)
        return 2.0 * half_square(gram - jnp.eye(len(gram), dtype=gram.dtype))

    return total(Checks("orthogonality"), measure, tree, mask, min_ndim=2)


def spectral(tree: Tree, *, num_steps: int = 300, mask: Mask = leaves.kernels) -> Float[Array, ""]:
    """Compute half the sum of squared spectral norms (largest singular values): 1/2 sum_k sigma(W_k)^2.

    The singular vector v comes from a power iteration that is not differentiated: with v held constant the gradient of
    1/2 ||W v||^2 is sigma u v^H, and second derivatives leave out how v changes. The iteration starts from a fixed
    vector, so the value depends only on the weights; if it stops early, the value is below the true one.

    Args:
      tree: a kernel or a pytree of them, each of two axes or more; an empty one gives 0.
      num_steps: steps of the power iteration, at least 1. Random matrices of side 2048 and less need 300 for a
        sigma within 1e-3; kernels whose largest singular value stands out need tens.
      mask: which leaves; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      TypeError: a leaf that is not an array, named by its path.
      ValueError: `mask` selects nothing, or a leaf with fewer than two axes, named by its path.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.spectral(jnp.diag(jnp.array([1.0, 4.0, 2.0]))))
    8.0

    Yoshida and Miyato, Spectral Norm Regularization for Improving the Generalizability of Deep Learning, 2017.
    """
    check = Checks("spectral")
    num_steps = check.integer("num_steps", num_steps, bits=31)

    def measure(w: Array) -> Array:
        w = _tall(w)
        return half_square(_multiply(w, _top_vector(lax.stop_gradient(w), num_steps)))

    return total(check, measure, tree, mask, min_ndim=2)


def l2_sp(tree: Tree, reference: Tree, *, mask: Mask = leaves.kernels) -> Float[Array, ""]:
    """Compute half the squared distance to a reference, such as the pretrained weights: 1/2 sum_i |w_i - r_i|^2.

    The gradient is w - r. For new layers, which have no reference, use `l2` with its own `mask`.

    Args:
      tree: an array or a pytree of arrays; an empty one gives 0.
      reference: a tree of the same structure and shapes. It gets a gradient too: hold it constant or keep it out of
        what is trained.
      mask: which leaves; by default the kernels, not biases or norm scales. None takes all.

    Raises:
      TypeError: a leaf that is not an array, named by its path.
      ValueError: `mask` selects nothing, or `reference` has another structure or another shape, named by its path.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.l2_sp(jnp.array([3.0, 4.0]), jnp.array([3.0, 2.0])))
    2.0

    Li, Grandvalet and Davoine, Explicit Inductive Bias for Transfer Learning with Convolutional Networks, ICML 2018.
    """
    check = Checks("l2_sp")
    taken = trees.selection(check, mask, tree)
    trees.same_structure(check, "reference", reference, tree, "tree")
    return total(check, half_square, jax.tree.map(_difference, tree, reference), taken)


def _difference(leaf: Array, other: Array) -> Array:
    if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
        return leaf
    with jax.numpy_dtype_promotion("standard"):
        return wide(leaf) - other


def _tall(w: Inexact[Array, "..."]) -> Inexact[Array, "long short"]:
    """The kernel as a matrix, transposed if it is wide."""
    w = gathered(w)
    matrix = w.reshape(prod(w.shape[:-1]), w.shape[-1])
    return matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T


def _gram(w: Inexact[Array, "..."]) -> Inexact[Array, "short short"]:
    matrix = _tall(w)
    return _multiply(jnp.conj(matrix.T), matrix)


def _top_vector(w: Inexact[Array, "long short"], num_steps: int) -> Inexact[Array, "short"]:
    """The right singular vector of the largest singular value, or zero if w is zero."""
    gram = _gram(w)
    gram = _divide(gram, jnp.max(jnp.abs(gram), initial=0.0))
    # A chirp: flat in frequency and irrational, so that it is not orthogonal to any structured vector. A constant start
    # would be orthogonal to every kernel with centred columns.
    start = jnp.asarray(np.cos(np.arange(len(gram)) ** 2.0), dtype=w.dtype)
    start = varying_like(start, gram)
    return lax.fori_loop(0, num_steps, lambda _, v: _unit(_multiply(gram, v)), start)


def _unit(v: Inexact[Array, "short"]) -> Inexact[Array, "short"]:
    return _divide(v, norms.safe_norm(v))


def _divide(x: Inexact[Array, "..."], size: Float[Array, ""]) -> Inexact[Array, "..."]:
    """Scale x to size 1; x stays zero if its size is zero."""
    return x / jnp.where(size == 0.0, 1.0, size).astype(x.dtype)
