"""What the penalties share: the sum over the selected leaves, in float32 or wider, and its terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Inexact

from .._core import dtypes, trees
from .._core.checks import Checks
from .._core.types import Mask, Tree


def total(
    check: Checks, measure: Callable[[Array], Array], tree: Tree, mask: Mask, min_ndim: int = 0
) -> Float[Array, ""]:
    """The sum of `measure` over the leaves of `tree` that `mask` takes; each must have `min_ndim` axes or more."""
    leaves = trees.selected(check, mask, tree)
    for leaf in leaves:
        if jnp.ndim(leaf) < min_ndim:
            raise ValueError(
                f"{check}: tree must hold kernels of {min_ndim} axes or more; "
                f"at {_path_of(leaf, tree)} it has shape {jnp.shape(leaf)}. Select the kernels with mask"
            )
    return add([measure(wide(leaf)) for leaf in leaves])


def add(parts: Sequence[Float[Array, ""]]) -> Float[Array, ""]:
    """The sum of scalars in the widest of their dtypes; 0 if there are none."""
    dtype = jnp.result_type(float) if any(part.dtype == jnp.float64 for part in parts) else jnp.float32
    return sum((part.astype(dtype) for part in parts), start=jnp.zeros((), dtype))


def wide(leaf: Any) -> Inexact[Array, "..."]:
    leaf = jnp.asarray(leaf)
    return leaf.astype(dtypes.widened(leaf.dtype))


def absolute(w: Inexact[Array, "..."]) -> Float[Array, ""]:
    return jnp.sum(_magnitude(w))


@jax.custom_jvp
def _magnitude(w: Array) -> Array:
    """|w|, whose derivative is the sign, and 0 at 0; the derivative of `jnp.abs` is 1 there."""
    return jnp.abs(w)


@_magnitude.defjvp
def _magnitude_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (w,), (tangent,) = primals, tangents
    return _magnitude(w), jnp.real(tangent * jnp.conj(lax.stop_gradient(jnp.sign(w))))


def half_square(w: Inexact[Array, "..."]) -> Float[Array, ""]:
    return 0.5 * jnp.sum(jnp.real(w * jnp.conj(w)))


def _path_of(leaf: Any, tree: Tree) -> str:
    paths = (path for path, other in jax.tree_util.tree_leaves_with_path(tree) if other is leaf)
    return trees.path_name(next(paths)) or "its root"
