"""Noise on tables (rows, *features): new rows for rare classes, and cells exchanged between rows."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Shaped

from ..._core import checks, masks
from ..._core.checks import Checks
from ..._core.ids import class_ids, whole
from ..._core.placement import as_on_auto_axes, gathered, spec_like
from ..._core.spoil import spoiled
from ..._core.types import Key, Numbers
from ...random import hash_bits, keep_mask, signed_uniform, split
from .._draws import integers
from .._examples import number_per_example


def smote(
    key: Key | None,
    x: Float[Array, "rows features"],
    labels: Int[Array, " rows"],
    *,
    num_classes: int,
    num_per_class: int,
    num_neighbors: int = 5,
) -> tuple[Float[Array, "made features"], Int[Array, " made"]]:
    """Balance a table: exactly `num_per_class` rows of each class, the missing ones made between neighbours.

        x_new = x_i + u (x_j - x_i),   u ~ U(0, 1),   j one of the nearest neighbours of i in its class

    The result is sorted by class; in each the original rows come first. Row i is drawn uniformly from its class, j
    uniformly from its `num_neighbors` nearest, or from all others of the class if there are fewer; a row alone in its
    class is repeated. A class with more rows than asked for keeps a random choice of them, without repetition.
    `smote(None, ...)` has the same shape and repeats rows instead of making any.

    Scale the features first, as for any method of neighbours, and balance training data only. The distances between all
    rows take 4 * rows**2 bytes: 400 MB for 10 000 rows.

    Args:
      key: one key, or None to repeat rows.
      x: a table of floats.
      labels: class ids.
      num_classes: how many classes; each needs one row at least.
      num_per_class: how many rows of each class to return.
      num_neighbors: k, at least 1; 5 in the paper.

    Raises:
      ValueError: a concrete label outside [0, num_classes), or a class without rows. Traced ones give NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> x, labels = jnp.array([[0.0], [1.0], [2.0], [9.0]]), jnp.array([0, 0, 0, 1])
    >>> balanced, classes = augment.smote(jax.random.key(0), x, labels, num_classes=2, num_per_class=3)
    >>> classes.tolist(), balanced[3:].ravel().tolist()
    ([0, 0, 0, 1, 1, 1], [9.0, 9.0, 9.0])

    Chawla et al., SMOTE: Synthetic Minority Over-sampling Technique, JAIR 2002.
    """
    check = Checks("smote")
    x = check.floating("x", x)
    _check_labels(check, labels, x)
    num_classes = check.integer("num_classes", num_classes)
    num_per_class = check.integer("num_per_class", num_per_class)
    num_neighbors = check.integer("num_neighbors", num_neighbors)
    ids = class_ids(check, "labels", labels, num_classes)
    counts = _counts(check, ids, num_classes)
    if key is not None:
        check.key(key)
    made = _balanced(key, gathered(x), gathered(ids), counts, num_per_class, num_neighbors)
    dtype = jax.dtypes.canonicalize_dtype(labels.dtype)
    return made.reshape(-1, x.shape[1]), jnp.repeat(jnp.arange(num_classes).astype(dtype), num_per_class)


def swap_noise(key: Key | None, x: Shaped[Array, "rows *features"], rate: Numbers) -> Shaped[Array, "rows *features"]:
    """Replace each cell, with probability `rate`, by the same column's cell of a random other row.

    Values stay possible ones of their column, numbers and category codes alike. Denoising autoencoders for tables are
    trained with this noise. `swap_noise(None, x, rate)` is x, and so is a table of one row.

    Args:
      key: one key, or None for no noise.
      x: a table of any dtype, rows first.
      rate: in [0, 1]; one for all, or one per row, (rows,). 0.1 to 0.2 are usual.

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one spoils x, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.swap_noise(jax.random.key(0), jnp.array([[1, 10], [2, 20]]), 1.0).tolist()
    [[2, 20], [1, 10]]

    Bahri et al., SCARF: Self-Supervised Contrastive Learning Using Random Feature Corruption, ICLR 2022.
    """
    check = Checks("swap_noise")
    x = whole(check, "x", check.array("x", x))
    if x.ndim == 0:
        raise ValueError(f"{check}: x must be (rows, *features); got shape ()")
    rate = number_per_example(check, "rate", rate, x.shape[:1], 0.0, 1.0, num_axes=x.ndim - 1)
    if key is None or x.shape[0] < 2 or not x.size:
        return x
    mask_key, row_key = split(check.key(key))
    own = jnp.arange(x.shape[0], dtype=jnp.int32).reshape((-1,) + (1,) * (x.ndim - 1))
    other = (own + 1 + integers(row_key, x.shape, x.shape[0] - 1)) % x.shape[0]
    take = partial(jnp.take_along_axis, axis=0, mode="promise_in_bounds")
    swapped = as_on_auto_axes(take, spec_like(x, x.shape), x, other)
    return spoiled(masks.where(keep_mask(mask_key, x.shape, rate), x, swapped), rate)


@partial(jax.jit, static_argnames=("num_per_class", "num_neighbors"), inline=True)
def _balanced(
    key: Key | None, x: Array, labels: Array, counts: Array, num_per_class: int, num_neighbors: int
) -> Float[Array, "classes made features"]:
    order_key, row_key, pair_key = split(key, 3)
    order, num = _by_class(order_key, labels), counts[:, None]
    slot = jnp.arange(num_per_class, dtype=jnp.int32)[None]
    drawn = slot if row_key is None else integers(row_key, (counts.size, num_per_class), num)
    within = jnp.where(slot < num, slot, drawn) % jnp.maximum(num, 1)
    rows = order[jnp.cumsum(counts)[:, None] - num + within]
    made = x[rows]
    if pair_key is not None:
        made = jnp.where((slot < num)[..., None], made, _between(pair_key, x, labels, rows, num, num_neighbors))
    is_bad = (num == 0) | (jnp.sum(counts) < labels.size)
    return jnp.where(is_bad[..., None], jnp.nan, made).astype(x.dtype)


def _between(key: Key, x: Array, labels: Array, rows: Array, num: Array, num_neighbors: int) -> Array:
    """Points between each row and a random one of its neighbours; the row itself where it has none."""
    neighbor_key, place_key = split(key)
    near = _neighbors(x, labels, num_neighbors)
    which = integers(neighbor_key, rows.shape, jnp.minimum(num - 1, near.shape[1]))
    other = jnp.where((num > 1)[..., None], x[near[rows, which]], x[rows])
    place = (0.5 + 0.5 * signed_uniform(place_key, rows.shape)).astype(x.dtype)[..., None]
    return x[rows] + place * (other - x[rows])


def _neighbors(x: Array, labels: Array, num_neighbors: int) -> Int[Array, "rows near"]:
    """The nearest other rows of the same class, nearest first; what follows the last of them is arbitrary."""
    # Differences, not products: far from the origin the squares would cancel. XLA fuses them into the sum.
    distances = jnp.sum((x[:, None] - x[None]) ** 2, axis=-1)
    is_other = (labels[:, None] == labels[None]) & ~jnp.eye(labels.size, dtype=bool)
    return lax.top_k(jnp.where(is_other, -distances, -jnp.inf), min(num_neighbors, labels.size))[1]


def _by_class(key: Key | None, labels: Array) -> Int[Array, " rows"]:
    """Rows sorted by class, in random order within each, or in their own."""
    within = jnp.arange(labels.size, dtype=jnp.uint32) if key is None else hash_bits(key, labels.shape)
    return jnp.lexsort((within, labels))


def _counts(check: Checks, labels: Array, num_classes: int) -> Int[Array, " classes"]:
    """How many rows each class has; a label of -1 is counted in none."""
    classes = jnp.arange(num_classes, dtype=labels.dtype)
    counts = jnp.sum(labels[None] == classes[:, None], axis=1, dtype=jnp.int32)
    if not checks.is_traced(counts) and not counts.all():
        raise ValueError(f"{check}: labels must hold each class; got none of class {int(counts.argmin())}")
    return counts


def _check_labels(check: Checks, labels: Array, x: Array) -> None:
    if not isinstance(labels, jax.Array | np.ndarray) or not jnp.issubdtype(labels.dtype, jnp.integer):
        raise TypeError(f"{check}: labels must be an array of class ids; got {labels!r}")
    if x.ndim != 2 or labels.shape != x.shape[:1]:
        raise ValueError(
            f"{check}: x must be (rows, features) and labels (rows); got shapes {x.shape} and {labels.shape}"
        )
