"""Singular values of kernels, by the eigenvalues of the smaller Gram matrix."""

from math import prod

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Inexact

from .placement import gathered


def excess(w: Inexact[Array, "*shape"], limit: Float[Array, ""]) -> Inexact[Array, "*shape"]:
    """What is added to a kernel to cap its singular values at a limit: exactly 0 where none is above it."""
    matrix, is_wide = _tall(w)
    squares, vectors = jnp.linalg.eigh(_gram(matrix))
    sizes = jnp.sqrt(jnp.maximum(squares, 0.0))
    over = jnp.where(sizes <= limit, 0.0, limit / jnp.where(sizes == 0.0, 1.0, sizes) - 1.0)
    change = _multiply(_multiply(matrix, vectors * over[None].astype(vectors.dtype)), jnp.conj(vectors.T))
    return (change.T if is_wide else change).reshape(w.shape)


def squared_norm(w: Inexact[Array, "..."]) -> Float[Array, ""]:
    """The square of the largest singular value; 0 for an empty kernel."""
    gram = _gram(_tall(w)[0])
    return jnp.max(jnp.linalg.eigvalsh(gram), initial=0.0) if len(gram) else jnp.zeros((), jnp.finfo(gram.dtype).dtype)


def _tall(w: Inexact[Array, "..."]) -> tuple[Inexact[Array, "long short"], bool]:
    """The kernel as the matrix (all but the last axis, last axis), transposed if it is wide, and whether it was."""
    w = gathered(w)
    matrix = w.reshape(prod(w.shape[:-1]), w.shape[-1] if w.ndim else 1)
    is_wide = matrix.shape[0] < matrix.shape[1]
    return (matrix.T if is_wide else matrix), is_wide


def _gram(matrix: Inexact[Array, "long short"]) -> Inexact[Array, "short short"]:
    return _multiply(jnp.conj(matrix.T), matrix)


def _multiply(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
