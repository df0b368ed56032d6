"""What the transforms of rows draw with, and what they return for a bad traced number."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from .._core import checks
from .._core.types import Key, Number
from ..random import hash_bits, signed_uniform


@partial(jax.jit, static_argnames="shape", inline=True)
def integers_below(key: Key, shape: tuple[int, ...], bound: Int[Array, "..."] | int) -> Int[Array, "*shape"]:
    """Whole numbers in [0, bound), uniform within bound / 2**32; 0 where the bound is 0."""
    bound = jnp.maximum(jnp.asarray(bound), 1).astype(jnp.uint32)
    return (hash_bits(key, shape) % bound).astype(jnp.int32)


def symmetric(key: Key, shape: tuple[int, ...], limit: Float[Array, ""]) -> Float[Array, "*shape"]:
    """Uniform numbers between -limit and limit, in float32."""
    return signed_uniform(key, shape) * limit.astype(jnp.float32)


def scalar(
    function: str, argument: str, value: Number, low: float, high: float = float("inf"), *, ends: str = "[]"
) -> Float[Array, ""]:
    """Return one checked number; NaN where a traced one is not valid."""
    return checks.broadcastable(function, argument, checks.number(function, argument, value, low, high, ends=ends), ())


@partial(jax.jit, inline=True)
def spoiled(y: Shaped[Array, "*shape"], is_bad: Bool[Array, "..."]) -> Shaped[Array, "*shape"]:
    """Replace values by NaN, or integers by the largest of their type, where a traced number was not valid."""
    if jnp.issubdtype(y.dtype, jnp.inexact):
        return jnp.where(is_bad, jnp.nan, y).astype(y.dtype)
    largest = True if y.dtype == bool else jnp.iinfo(y.dtype).max
    return jnp.where(is_bad, jnp.asarray(largest, y.dtype), y)
