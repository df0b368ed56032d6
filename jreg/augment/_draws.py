"""Draws that several transforms share: each takes one key, and gives every example of a batch its own."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._core import checks
from .._core.types import Key, Number
from ..random import hash_bits, signed_uniform, split

Range = tuple[Number, Number]
"""The least and the greatest number that may be drawn; traced or not."""


def uniform(key: Key, shape: tuple[int, ...], low: Array | float, high: Array | float) -> Float[Array, "..."]:
    """Draw from U(low, high)."""
    share = 0.5 * signed_uniform(key, shape) + 0.5
    return low + (high - low) * share


@partial(jax.jit, static_argnames="shape", inline=True)
def integers(key: Key, shape: tuple[int, ...], count: Int[Array, "..."] | int) -> Int[Array, "*shape"]:
    """Draw from 0, ..., count - 1, each as likely up to count / 2**32; 0 where the count is 0."""
    count = jnp.maximum(jnp.asarray(count), 1).astype(jnp.uint32)
    return (hash_bits(key, shape) % count).astype(jnp.int32)


def symmetric(key: Key, shape: tuple[int, ...], limit: Float[Array, ""]) -> Float[Array, "*shape"]:
    """Uniform numbers between -limit and limit, in float32."""
    return signed_uniform(key, shape) * limit.astype(jnp.float32)


def bounds(
    function: str, argument: str, value: Range, low: float = -np.inf, high: float = np.inf, *, ends: str = "[]"
) -> tuple[Array, Array]:
    """Check a range to draw from; NaN for traced numbers that are none."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{function}: {argument} must be a pair (low, high); got {value!r}")
    first, last = (checks.number(function, argument, end, low, high, ends=ends).astype(jnp.float32) for end in value)
    if not any(map(checks.is_traced, value)) and np.asarray(value[0]) > np.asarray(value[1]):
        raise ValueError(f"{function}: {argument} must be a pair (low, high) with low <= high; got {value!r}")
    return first, jnp.where(first <= last, last, jnp.nan)


def box(key: Key, shape: tuple[int, ...], size: tuple[int, ...], scale: tuple, ratio: tuple) -> tuple[Array, ...]:
    """Draw the height and width of boxes that fit an image, and two shares in (0, 1) that say where they lie.

    The area is a share of the image uniform on `scale`, and the logarithm of the aspect ratio, width over height,
    uniform on that part of `ratio` for which the box fits; where there is none, the ratio is the nearest that does.
    Drawing again until the box fits gives the same law, but need not end: not on a strip of 300 x 5 pixels.
    """
    height, width = map(np.float32, size)
    area_key, ratio_key, top_key, left_key = split(key, 4)
    area = uniform(area_key, shape, *scale) * height * width
    lowest, highest = (jnp.clip(end, area / height**2, width**2 / area) for end in ratio)
    aspect = jnp.exp(uniform(ratio_key, shape, jnp.log(lowest), jnp.log(highest)))
    heights, widths = jnp.sqrt(area / aspect), jnp.sqrt(area * aspect)
    return heights, widths, uniform(top_key, shape, 0.0, 1.0), uniform(left_key, shape, 0.0, 1.0)
