"""The kernel that every dropping function shares: mask, rescale, select."""

from __future__ import annotations

from collections.abc import Collection

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Inexact

from .._core import dtypes, keys, marks, masks
from .._core.checks import Checks
from .._core.types import Bits, Key
from ._redraw import redrawn


def drop(
    key: Key,
    x: Inexact[Array, "..."],
    rate: Array,
    *,
    check: Checks,
    mask_shape: tuple[int, ...],
    bits: Bits,
    rescale: bool = True,
) -> Inexact[Array, "..."]:
    """Zero what a mask of `mask_shape` drops, and divide the rest by the share kept unless `rescale` is False.

    `rate` must have passed `Checks.rate`; where it is NaN, so is the result. Its gradient is stopped, because the
    derivative through the factor alone is biased.
    """
    options = (("mask_shape", mask_shape), ("bits", bits), ("rescale", rescale))
    return redrawn(key, x, lax.stop_gradient(rate), check=check, draw=_dropped, options=options)


def _dropped(key: Key, x: Array, rate: Array, *, mask_shape: tuple[int, ...], bits: Bits, rescale: bool) -> Array:
    kept = masks.above(masks.narrowed(Checks("dropout"), bits(key, mask_shape), mask_shape), rate)
    scaled = widely_scaled(loaded_early(key, x), inverse_share(rate)) if rescale else x
    nothing = (rate * 0.0).astype(scaled.dtype)  # NaN where the rate is
    # Select before narrowing: XLA's CPU compiler packs a select between 16-bit numbers badly.
    return masks.where(kept, scaled, nothing).astype(x.dtype)


def loaded_early(key: Key, x: Array) -> Array:
    """Return x itself, in a form that a CPU loads without waiting for the mask.

    Where a loop selects a product or zero, LLVM loads the factor under the mask, after the mask's words are hashed.
    Subtracting a zero that the compiler cannot recognize lets the load go first: the square of an odd number is 1
    modulo 8, so its bit 2 is 0. No value changes: `x - 0.0` is x for -0.0, infinities and NaN too.
    """
    if jnp.iscomplexobj(x):
        return x
    odd = keys.data_of(key).ravel()[0] | np.uint32(1)
    zero = lax.bitcast_convert_type(odd * odd & np.uint32(4), jnp.float32)
    return x.astype(dtypes.widened(x.dtype)) - zero.astype(dtypes.widened(x.dtype))


def shape_of_slices(shape: tuple[int, ...], axes: Collection[int]) -> tuple[int, ...]:
    """The shape of a mask that is constant along some axes of an array."""
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def inverse_share(rate: Array) -> Array:
    """1 / (1 - rate), and 0 at rate 1, where nothing is kept and 1/0 would make the gradient NaN."""
    share = 1.0 - rate
    return marks.kept(lax.sign(share) / jnp.maximum(share, jnp.finfo(share.dtype).epsneg))


def widely_scaled(x: Array, factor: Array) -> Float[Array, "..."]:
    """`x * factor`, multiplied in float32 or wider: 1 / 0.9 in bfloat16 is off by 0.16 %."""
    wide = dtypes.widened(x.dtype)
    return x.astype(wide) * factor.astype(wide)


def scale(x: Array, factor: Array) -> Array:
    """`widely_scaled` in x's dtype."""
    return widely_scaled(x, factor).astype(x.dtype)
