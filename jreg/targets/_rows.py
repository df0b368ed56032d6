"""What the losses share: rows of logits, which of them count, and the mean over those."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._core import dtypes
from .._core.checks import Checks


def logit_rows(check: Checks, argument: str, logits: Array, axis: int) -> Float[Array, "*batch classes"]:
    """Return logits in float32 or wider with the classes on the last axis."""
    logits = check.floating(argument, logits)
    logits = classes_last(check, argument, logits, axis)
    return logits.astype(dtypes.widened(logits.dtype))


def classes_last(check: Checks, argument: str, values: Array, axis: int) -> Array:
    """Move the class axis to the end; it must have two classes or more."""
    if values.ndim:
        values = jnp.moveaxis(values, check.axis("axis", axis, values.ndim), -1)
    if values.ndim == 0 or values.shape[-1] < 2:
        where = "the last axis" if axis == -1 else f"axis {axis}"
        raise ValueError(f"{check}: {argument} must have two classes or more on {where}; got shape {values.shape}")
    return values


def array(check: Checks, argument: str, value: Any) -> Any:
    """Return an array of class ids, not yet cast to a dtype that might wrap them, or of floats."""
    value = check.array(argument, value)
    if not (jnp.issubdtype(value.dtype, jnp.integer) or jnp.issubdtype(value.dtype, jnp.floating)):
        raise TypeError(f"{check}: {argument} must hold class ids or floats; got dtype {value.dtype}")
    return jnp.asarray(value) if jnp.issubdtype(value.dtype, jnp.floating) else value


def counted(check: Checks, where: Array | None, shape: tuple[int, ...]) -> Bool[Array, "*batch"]:
    """Which rows count: all of them by default."""
    if where is None:
        return jnp.ones(shape, bool)
    if jnp.shape(where) != shape or jnp.asarray(where).dtype != bool:
        raise ValueError(f"{check}: where must hold bools of shape {shape}; got {where!r}")
    return jnp.asarray(where)


@jax.custom_jvp
def shielded(z: Float[Array, "*batch classes"], rows: Bool[Array, "*batch"]) -> Float[Array, "*batch classes"]:
    """Return the logits, with a gradient of zero in rows that do not count, whatever NaN or infinity these hold.

    Replacing those rows by zeros would work too, but a reduction of changed logits may store them.
    """
    return z


@shielded.defjvp
def _shielded_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    z, rows = primals
    return shielded(z, rows), jnp.where(rows[..., None], tangents[0], 0.0)


def mean(losses: Float[Array, "*batch"], rows: Bool[Array, "*batch"]) -> Float[Array, ""]:
    """The mean over the rows that count; 0 if there are none."""
    return weighted_mean(losses, jnp.ones_like(losses), rows)


def weighted_mean(
    losses: Float[Array, "*batch"], weights: Float[Array, "*batch"], rows: Bool[Array, "*batch"]
) -> Float[Array, ""]:
    """The sum over the rows that count, divided by the sum of their weights; 0 if that is 0."""
    total = jnp.sum(jnp.where(rows, weights, 0.0))
    mean = jnp.sum(jnp.where(rows, losses, 0.0)) / jnp.where(total == 0.0, 1.0, total)
    return jnp.where(total == 0.0, 0.0, mean)


def same_shape(check: Checks, argument: str, other: Array, logits: Array) -> None:
    """Raise unless two arrays of logits have one shape: nothing is broadcast."""
    if jnp.shape(other) != jnp.shape(logits):
        raise ValueError(f"{check}: {argument} must have shape {jnp.shape(logits)}; got shape {jnp.shape(other)}")


def log_probabilities(z: Float[Array, "*batch classes"]) -> Float[Array, "*batch classes"]:
    """log softmax; -inf where the logit is."""
    return z - jax.nn.logsumexp(z, axis=-1, keepdims=True)


def divergence(log_p: Float[Array, "*batch classes"], log_q: Float[Array, "*batch classes"]) -> Float[Array, "*batch"]:
    """KL(p || q), row by row. A class that is impossible in p counts 0, whatever q is."""
    is_impossible = log_p == -jnp.inf
    # Both are replaced before the subtraction: the branch not taken has a gradient too, which would be NaN.
    p, q = jnp.where(is_impossible, 0.0, log_p), jnp.where(is_impossible, 0.0, log_q)
    return jnp.sum(jnp.where(is_impossible, 0.0, jnp.exp(p) * (p - q)), axis=-1)


def times(weight: Array, z: Array) -> Array:
    """weight * z, where an impossible class (z = -inf) of weight 0 counts 0 and not NaN."""
    return weight * jnp.where((weight == 0.0) & (z == -jnp.inf), 0.0, z)
