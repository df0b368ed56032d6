"""Corners and boxes, given in pixels.

A box holds the pixels i with start <= i < stop. Where corners must be whole, fractions round up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._core import checks, dtypes
from .._core.checks import Checks


def whole_corners(
    check: Checks, argument: str, corners: Any, batch: tuple[int, ...], limits: tuple[int, ...]
) -> tuple[Int[Array, "*batch axes"], tuple[Array, ...]]:
    """Corners as whole pixels, clipped to 0 and `limits`, and the numbers that spoil.

    They are clipped before they are cast: no dtype is too narrow for a limit, and no number too large for int32.
    """
    given = numbers_for(check, argument, corners, batch, (len(limits),))
    bounds = np.asarray(limits)
    if not checks.is_traced(given):
        whole = np.clip(np.ceil(np.asarray(given, np.float64)), 0, bounds)
        return jnp.asarray(whole.astype(np.int32)), ()
    if jnp.issubdtype(given.dtype, jnp.floating):
        wide = jnp.ceil(given.astype(dtypes.widened(given.dtype)))
        spoiling = (jnp.max(wide, -1),)
        wide = jnp.nan_to_num(wide, posinf=jnp.inf, neginf=-jnp.inf)
    else:
        wide, spoiling = given.astype(jnp.int32) if given.dtype.itemsize < 4 else given, ()
    low, high = (jnp.broadcast_to(jnp.asarray(end, wide.dtype), wide.shape) for end in (0, bounds))
    return jnp.clip(wide, low, high).astype(jnp.int32), spoiling


def checked_boxes(
    check: Checks, boxes: Any, batch: tuple[int, ...], rule: str, is_valid: Callable[..., Bool[Array, "*batch"]]
) -> tuple[Float[Array, "*batch 4"], Array]:
    """Boxes in float32, and a number that spoils: NaN for those that are not valid, which raise if they are concrete.

    Args:
      rule: what boxes must have, in words.
      is_valid: the rule, of (top, left, bottom, right).
    """
    given = numbers_for(check, "boxes", boxes, batch, (4,))
    if not checks.is_traced(given):
        wide = np.asarray(given, np.float64)
        valid = is_valid(*np.moveaxis(wide, -1, 0))
        if not np.all(valid):
            raise ValueError(f"{check}: boxes must have {rule}; got {wide[~valid].reshape(-1, 4)[0].tolist()}")
        return jnp.broadcast_to(jnp.asarray(wide, jnp.float32), (*batch, 4)), jnp.float32(0.0)
    given = given.astype(jnp.float32)
    return jnp.broadcast_to(given, (*batch, 4)), jnp.where(is_valid(*jnp.unstack(given, axis=-1)), 0.0, jnp.nan)


def numbers_for(check: Checks, argument: str, value: Any, batch: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Numbers as an array, not yet cast: of `shape` for all examples, or of (*batch, *shape), one entry for each."""
    if isinstance(value, list | tuple):
        value = jnp.asarray(value) if any(map(checks.is_traced, jax.tree.leaves(value))) else np.asarray(value)
    check.valid_number(argument, value)
    given = jnp.shape(value)
    allowed = dict.fromkeys((shape, (*batch, *shape)))
    if given not in allowed:
        raise ValueError(f"{check}: {argument} must have shape {' or '.join(map(str, allowed))}; got {given}")
    return value
