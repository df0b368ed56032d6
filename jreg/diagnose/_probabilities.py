"""Predicted probabilities and the labels they are judged by, checked."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._core import checks, dtypes
from .._core.checks import Checks
from .._core.ids import class_ids


class Judged(NamedTuple):
    """Probabilities in float32 or wider with the classes last, NaN in rows where they or the label are bad."""

    probs: Float[Array, "*batch classes"]
    labels: Int[Array, "*batch"]
    rows: Bool[Array, "*batch"]

    @property
    def is_label(self) -> Bool[Array, "*batch classes"]:
        classes = jnp.arange(self.probs.shape[-1], dtype=self.labels.dtype)
        return self.labels[..., None] == classes.reshape((1,) * self.labels.ndim + (-1,))


def judged(check: Checks, probs: Any, labels: Any, where: Any) -> tuple[Judged, bool]:
    """Check probabilities (*batch, classes) with class ids (*batch), or both (examples,) for two classes.

    The second result tells whether it is the latter; the probability of class 1 has then become that of both classes.
    """
    given = check.floating("probs", probs)
    labels = label_array(check, labels)
    is_binary = given.ndim == 1 and labels.shape == given.shape
    if not is_binary and (labels.shape != given.shape[:-1] or given.shape[-1:] < (2,)):
        raise ValueError(
            f"{check}: labels must be class ids, of shape {given.shape[:-1]} for probs of shape {given.shape}, which "
            f"have two classes or more on the last axis; got {labels.shape}"
        )
    rows = counted_rows(check, where, labels.shape)
    p = _of_both(given) if is_binary else given
    is_valid = are_probabilities(p)
    _raise_if_invalid(check, given, is_valid, rows)
    ids = class_ids(check, "labels", labels, p.shape[-1], rows)
    return _marked(p, is_valid, ids, rows), is_binary


def label_array(check: Checks, labels: Any) -> Any:
    """Return labels, class ids or bools, not yet cast to a dtype that might wrap them."""
    labels = check.array("labels", labels)
    if not (jnp.issubdtype(labels.dtype, jnp.integer) or labels.dtype == bool):
        raise TypeError(f"{check}: labels must be class ids; got dtype {labels.dtype}. Of one-hot rows take the argmax")
    return labels


def counted_rows(check: Checks, where: Any, shape: tuple[int, ...]) -> Bool[Array, "*batch"]:
    """Which rows count: all of them by default."""
    if where is None:
        return jnp.ones(shape, bool)
    if jnp.shape(where) != shape or not jnp.issubdtype(jnp.result_type(where), bool):
        raise ValueError(f"{check}: where must hold bools of shape {shape}; got {where!r}")
    return jnp.asarray(where)


def mean_over(values: Float[Array, "*batch"], rows: Bool[Array, "*batch"]) -> Float[Array, ""]:
    """The mean over the rows that count; NaN if there are none."""
    return jnp.sum(jnp.where(rows, values, 0.0)) / or_nan(jnp.sum(rows), values.dtype)


def or_nan(count: Int[Array, "*shape"], dtype: np.dtype) -> Float[Array, "*shape"]:
    """A count to divide by: NaN where it is 0."""
    return jnp.where(count == 0, jnp.nan, count.astype(dtype))


@partial(jax.jit, inline=True)
def are_probabilities(p: Float[Array, "*batch classes"]) -> Bool[Array, "*batch"]:
    """Whether each row lies in [0, 1] and sums to 1, as far as its dtype can tell."""
    slack = max(1e-3, float(jnp.finfo(p.dtype).eps) ** 0.5)
    p = wide(p)
    is_within = jnp.all((p >= 0.0) & (p <= 1.0 + slack), axis=-1)
    return is_within & (jnp.abs(jnp.sum(p, axis=-1) - 1.0) <= slack)


def wide(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return values.astype(dtypes.widened(values.dtype))


@partial(jax.jit, inline=True)
def _of_both(p: Float[Array, " examples"]) -> Float[Array, "examples 2"]:
    return jnp.stack([1.0 - p, p], axis=-1)


@partial(jax.jit, inline=True)
def _marked(p: Array, is_valid: Array, ids: Array, rows: Array) -> Judged:
    p = jnp.where((is_valid & (ids >= 0))[..., None], wide(p), jnp.nan)
    return Judged(p, jnp.maximum(ids, 0), rows)


def _raise_if_invalid(check: Checks, probs: Array, is_valid: Array, rows: Array) -> None:
    if checks.is_traced(is_valid) or checks.is_traced(rows) or np.all(is_valid):
        return
    bad = np.asarray(rows) & ~np.asarray(is_valid)
    if np.any(bad):
        row = np.asarray(probs)[bad][0]
        kind = (
            "sum to 1, such as jax.nn.softmax(logits)" if row.ndim else "be in [0, 1], such as jax.nn.sigmoid(logits)"
        )
        raise ValueError(f"{check}: probs must {kind}; got {row}")
