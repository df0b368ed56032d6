"""Checked class ids, where -1 means no class: compared and never scattered."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def one_hot(ids: Array, num_classes: int) -> Float[Array, "*batch classes"]:
    """One-hot rows; an id of -1 gives a row of NaN."""
    return jnp.where(ids[..., None] < 0, jnp.nan, _is_class(ids, num_classes).astype(jnp.float32))


@jax.custom_jvp
def pick(z: Float[Array, "*batch classes"], ids: Array) -> Float[Array, "*batch"]:
    """Return z at the class of each row; where the id is -1, at any class.

    The value is a gather, whose gradient would be a scatter into zeros; as a comparison, the gradient fuses with the
    rest.
    """
    return jnp.take_along_axis(z, jnp.maximum(ids, 0)[..., None], axis=-1, mode="promise_in_bounds")[..., 0]


@pick.defjvp
def _pick_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    z, ids = primals
    return pick(z, ids), jnp.sum(jnp.where(_is_class(ids, z.shape[-1]), tangents[0], 0.0), axis=-1)


def _is_class(ids: Array, num_classes: int) -> Bool[Array, "*batch classes"]:
    classes = jnp.arange(num_classes, dtype=ids.dtype)
    return ids[..., None] == classes.reshape((1,) * ids.ndim + (num_classes,))
