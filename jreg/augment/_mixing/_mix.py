"""Mixing of examples: new ones on the line between two."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..._core import dtypes, trees
from ..._core.checks import Checks
from ..._core.placement import rows_of
from ..._core.types import Key, Number, Numbers, Tree
from ...random import split
from .._examples import batch_size

Per: TypeAlias = Literal["example", "batch"]


def mix(batch: Tree, partner: Tree, weight: Numbers) -> Tree:
    """Blend two batches leaf by leaf: weight * batch + (1 - weight) * partner.

    Args:
      batch, partner: pytrees of one structure, with float leaves of equal shapes; labels as distributions.
      weight: in [0, 1]; one for all, or one per example, (batch,). 1 gives `batch` back exactly.

    Raises:
      TypeError: a leaf of integers, such as class ids.
      ValueError: trees or shapes that differ, or a concrete weight outside [0, 1]. A traced one gives NaN.

    >>> import jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.mix(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]), 0.75).tolist()
    [0.75, 0.25]
    """
    check = Checks("mix")
    weight = check.rate("weight", weight)
    trees.same_structure(check, "partner", partner, batch)
    return _blend(check, batch, partner, weight)


def mixup(key: Key | None, batch: Tree, alpha: Number, *, per: Per = "batch") -> Tree:
    """Mix every example with another of the batch.

        x' = w x + (1 - w) x[permutation],   w ~ Beta(alpha, alpha)

    Inputs and labels belong in one pytree, `mixup(key, (x, y), alpha)`, so that one weight mixes both.
    `mixup(None, batch, alpha)` and alpha 0 return the batch; so does a batch of one.

    Args:
      key: one key, or None for no mixing.
      batch: a pytree of float arrays with the batch on the first axis; labels as distributions, such as
        `jax.nn.one_hot`.
      alpha: at least 0; small values keep the weight near 0 or 1.
      per: one weight for the whole "batch", or one for each "example".

    Raises:
      TypeError: a leaf of integers, such as class ids.
      ValueError: a concrete alpha below 0 (a traced one gives NaN), or leaves of different batch sizes.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> x, y = jnp.arange(4.0)[:, None], jax.nn.one_hot(jnp.array([0, 1, 0, 1]), 2)
    >>> mixed_x, mixed_y = augment.mixup(jax.random.key(0), (x, y), 0.4)
    >>> bool(jnp.allclose(mixed_y.sum(1), 1.0))
    True

    Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018.
    """
    check = Checks("mixup")
    alpha = check.scalar("alpha", alpha, low=0.0)
    size = batch_size(check, "batch", batch)
    shape = weight_shape(check, per, size)
    check_floats(check, batch)
    if key is None or size == 1:
        return batch
    weight_key, order_key = split(check.key(key))
    partner = reordered(batch, jax.random.permutation(order_key, size))
    return _blend(check, batch, partner, beta(weight_key, alpha, shape))


def reordered(batch: Tree, order: Array) -> Tree:
    """The examples of the batch in another order."""
    return jax.tree.map(lambda leaf: rows_of(leaf, order), batch)


def beta(key: Key, alpha: Array, shape: tuple[int, ...]) -> Array:
    """Draws of Beta(alpha, alpha), in float32 in every mode; 1 at alpha 0, NaN where alpha is NaN."""
    alpha = alpha.astype(jnp.float32)
    inner = jnp.where((alpha > 0.0) & (alpha < jnp.inf), alpha, 1.0)
    draws = jnp.where(alpha == jnp.inf, 0.5, jax.random.beta(key, inner, inner, shape, jnp.float32))
    return jnp.where(alpha > 0.0, draws, 1.0 + alpha)


def weight_shape(check: Checks, per: Per, size: int) -> tuple[int, ...]:
    return () if check.choice("per", per, get_args(Per)) == "batch" else (size,)


def _blend(check: Checks, batch: Tree, partner: Tree, weight: Array) -> Tree:
    def blend_leaf(path: tuple, leaf: Array, other: Array) -> Array:
        leaf = _float_leaf(check, path, leaf)
        if weight.ndim and weight.shape != leaf.shape[:1]:
            raise ValueError(
                f"{check}: weight must be a scalar or one per example, {leaf.shape[:1]}; got shape {weight.shape}"
            )
        wide = dtypes.widened(leaf.dtype)
        weights = weight.astype(wide).reshape(weight.shape + (1,) * (leaf.ndim - weight.ndim))
        mixed = weights * leaf.astype(wide) + (1.0 - weights) * jnp.asarray(other).astype(wide)
        return jnp.where(weights == 1.0, leaf, mixed.astype(leaf.dtype))

    return jax.tree_util.tree_map_with_path(blend_leaf, batch, partner)


def check_pair(check: Checks, batch: Any) -> tuple[Tree, Tree]:
    """Return a batch that is a pair of inputs and targets."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise TypeError(f"{check}: batch must be a pair (inputs, targets); got {type(batch).__name__}")
    return batch[0], batch[1]


def _float_leaf(check: Checks, path: tuple, leaf: Array) -> Array:
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
        where = trees.path_name(path) or "its root"
        raise TypeError(
            f"{check}: batch must hold floats; got {dtype or type(leaf).__name__} at {where}. "
            "Make class ids distributions with jax.nn.one_hot, and images floats, before mixing"
        )
    return jnp.asarray(check.array("batch", leaf))


def check_floats(check: Checks, batch: Tree) -> Tree:
    """Raise unless every leaf holds floats, with advice for class ids."""
    return jax.tree_util.tree_map_with_path(lambda path, leaf: _float_leaf(check, path, leaf), batch)
