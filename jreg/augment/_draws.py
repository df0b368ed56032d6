"""Draws that several transforms share: each takes one key, and gives every example of a batch its own."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._core import checks
from .._core.checks import Checks
from .._core.types import Key, Number
from ..random import hash_bits, signed_uniform

Range = tuple[Number, Number]
"""The least and the greatest number that may be drawn; traced or not."""


def uniform(key: Key, shape: tuple[int, ...], low: Array | float, high: Array | float) -> Float[Array, "..."]:
    """Draw from U(low, high)."""
    share = 0.5 * signed_uniform(key, shape) + 0.5
    return low + (high - low) * share


@partial(jax.jit, static_argnames="shape", inline=True)
def integers(key: Key, shape: tuple[int, ...], count: Int[Array, "..."] | int) -> Int[Array, "*shape"]:
    """Draw from 0, ..., count - 1, equally likely up to count / 2**32; 0 where the count is 0."""
    count = jnp.maximum(jnp.asarray(count), 1).astype(jnp.uint32)
    return (hash_bits(key, shape) % count).astype(jnp.int32)


def symmetric(key: Key, shape: tuple[int, ...], limit: Float[Array, "..."]) -> Float[Array, "*shape"]:
    """Draw uniformly between -limit and limit, in float32."""
    return signed_uniform(key, shape) * limit.astype(jnp.float32)


def bounds(
    check: Checks, argument: str, value: Range, low: float = -np.inf, high: float = np.inf, *, ends: str = "[]"
) -> tuple[Array, Array]:
    """Check a range to draw from; NaN where traced ends form no range."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{check}: {argument} must be a pair (low, high); got {value!r}")
    first, last = (check.scalar(argument, end, low, high, ends=ends).astype(jnp.float32) for end in value)
    if not any(map(checks.is_traced, value)) and np.asarray(value[0]) > np.asarray(value[1]):
        raise ValueError(f"{check}: {argument} must be a pair (low, high) with low <= high; got {value!r}")
    return first, jnp.where(first <= last, last, jnp.nan)
