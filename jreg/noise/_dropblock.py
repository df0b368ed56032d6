"""DropBlock: zero contiguous blocks of a feature map, at exactly the requested rate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Inexact

from .._core import marks
from .._core.checks import Checks
from .._core.types import Key, Number
from ..random import keep_mask
from ._drop import scale
from ._redraw import redrawn

# 8 steps reached float32's precision on maps of up to 10**6 positions, at rates from 1e-6 to 1 - 2**-24.
_NEWTON_STEPS = 10


def dropblock(
    key: Key | None,
    x: Inexact[Array, "*shape"],
    rate: Number,
    *,
    block_size: int | Sequence[int],
    spatial_axes: int | Sequence[int] = (1, 2),
    shared_channels: bool = False,
) -> Inexact[Array, "*shape"]:
    """Zero whole blocks of each feature map so that a share `rate` of it is dropped, and rescale the rest.

        y = m * x * count(m) / sum(m),   mean over positions of P(m = 0) = rate

    Seeds are drawn where a whole block fits, with the probability gamma that solves this equation. Because blocks
    overlap, the paper's estimate of gamma drops too little. The middle of a map is dropped more often than its corners.
    The factor count(m) / sum(m) is one number for the whole array, 0 if everything is dropped;
    `dropblock(None, x, rate)` is x.

    The paper raises the rate linearly from 0 during training: `optax.linear_schedule(0.0, 0.1, num_steps)(step)` can be
    passed as the rate, without recompilation.

    Args:
      key: one key, or None for no noise.
      rate: the share to drop, in [0, 1]. Its gradient is zero.
      block_size: the side of a block, or one per spatial axis in their order; a side longer than the map is cut to the
        map's. A side of 1 is dropout.
      spatial_axes: one or more axes that a map spans; pass them for unbatched or channels-first data.
      shared_channels: share one mask along all axes but the first and the spatial ones, instead of drawing one per
        channel.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), a side below 1, or a number of sides that is
        not that of the spatial axes.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.dropblock(jax.random.key(0), jnp.ones((64, 14, 14, 32)), 0.2, block_size=7)
    >>> bool(abs((y == 0).mean() - 0.2) < 0.01)
    True

    Ghiasi et al., DropBlock: A Regularization Method for Convolutional Networks, NeurIPS 2018.
    """
    check = Checks("dropblock")
    x = check.inexact("x", x)
    rate = check.scalar("rate", rate, 0.0, 1.0)
    shared_channels = check.flag("shared_channels", shared_channels)
    blocks = _blocks(x.shape, block_size, spatial_axes)
    if key is None:
        return x
    key = check.key(key)
    if x.size == 0:
        return x
    shared = [shared_channels and axis > 0 and axis not in blocks for axis in range(x.ndim)]
    mask_shape = tuple(1 if one else size for one, size in zip(shared, x.shape, strict=True))
    options = (("mask_shape", mask_shape), ("blocks", tuple(blocks.items())))
    return redrawn(key, x, lax.stop_gradient(rate), check=check, draw=_dropped, options=options)


def _blocks(shape: tuple[int, ...], block_size: int | Sequence[int], spatial_axes: int | Sequence[int]) -> dict:
    """The side of a block along each spatial axis, no longer than the axis."""
    check = Checks("dropblock")
    check.axes("spatial_axes", spatial_axes, len(shape))
    given = (spatial_axes,) if isinstance(spatial_axes, int | np.integer) else tuple(spatial_axes)
    sides = tuple(block_size) if isinstance(block_size, Sequence) else (block_size,) * len(given)
    if not given:
        raise ValueError(f"dropblock: spatial_axes must name at least one axis; got {spatial_axes!r}")
    if len(sides) != len(given):
        raise ValueError(f"dropblock: block_size must have one side per spatial axis {given}; got {block_size!r}")
    pairs = zip(given, sides, strict=True)
    return {a % len(shape): min(check.integer("block_size", s), shape[a]) for a, s in pairs}


def _dropped(key: Key, x: Array, rate: Array, *, mask_shape: tuple[int, ...], blocks: tuple) -> Array:
    seed_rate = marks.kept(_seed_rate(rate.astype(jnp.float32), [(mask_shape[axis], side) for axis, side in blocks]))
    kept = _kept(key, seed_rate, mask_shape, blocks)
    dropped = jnp.where(jnp.isnan(seed_rate), jnp.nan, 0.0).astype(x.dtype)
    return jnp.where(kept, scale(x, _normalizer(kept)), dropped)


def _kept(key: Key, seed_rate: Array, mask_shape: tuple[int, ...], blocks: tuple) -> Bool[Array, "..."]:
    sides = dict(blocks)
    seed_shape = tuple(size - sides.get(axis, 1) + 1 for axis, size in enumerate(mask_shape))
    dropped = ~keep_mask(key, seed_shape, seed_rate)
    for axis, side in blocks:
        dropped = _grow(dropped, axis, side)
    return ~dropped


def _grow(mask: Bool[Array, "..."], axis: int, side: int) -> Bool[Array, "..."]:
    """Spread each True over the `side` positions that start at it, by doubling shifts: log2(side) passes over bools.

    A max-pool gives the same mask, but reads side**2 positions for each one.
    """
    reach = 1
    while reach < side:
        shift = min(reach, side - reach)
        after, before = ([(0, 0, 0)] * mask.ndim for _ in range(2))
        after[axis], before[axis] = (0, shift, 0), (shift, 0, 0)
        mask = lax.pad(mask, np.False_, after) | lax.pad(mask, np.False_, before)
        reach += shift
    return mask


def _normalizer(kept: Bool[Array, "..."]) -> Float[Array, ""]:
    """count(m) / sum(m) in float32. Integers add up exactly, in any order and over any shards."""
    dtype = jnp.uint32 if math.prod(kept.shape) < 2**32 else jnp.float32
    num_kept = jnp.sum(jnp.sum(kept, axis=-1, dtype=jnp.uint32), dtype=dtype).astype(jnp.float32)
    return jnp.where(num_kept == 0.0, 0.0, math.prod(kept.shape) / jnp.maximum(num_kept, 1.0))


def _seed_rate(rate: Float[Array, ""], axes: Sequence[tuple[int, int]]) -> Float[Array, ""]:
    """The probability gamma of a seed at which the mean share dropped is `rate`.

    A position that n blocks can cover is kept with (1 - gamma)**n. In t = -log(1 - gamma) the equation is
    `log mean(exp(-n t)) = log(1 - rate)`, whose left side is convex and decreasing, so Newton's steps from t = 0 never
    overshoot the solution. At rates 0 and 1 gamma equals the rate.
    """
    cover, share = _coverage(axes)
    if cover.max() == 1:
        return rate
    cover, share = cover.astype(np.float32), share.astype(np.float32)
    target = jnp.log1p(-jnp.where(rate < 1.0, rate, 0.0))

    def newton_step(_: Array, t: Array) -> Array:
        weights = share * jnp.exp(-cover * t)
        kept, dropped = jnp.sum(weights), -jnp.sum(share * jnp.expm1(-cover * t))
        # Each form is exact where the other cancels.
        value = jnp.where(kept < 0.5, jnp.log(kept), jnp.log1p(-jnp.minimum(dropped, 0.75)))
        return t + jnp.maximum(value - target, 0.0) * kept / jnp.sum(cover * weights)

    t = lax.fori_loop(0, _NEWTON_STEPS, newton_step, jnp.zeros_like(rate))
    return jnp.where(rate < 1.0, -jnp.expm1(-t), rate)


def _coverage(axes: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """The distinct counts of blocks that can cover a position, and the share of positions with each count."""
    cover, count = np.ones(1, np.int64), np.ones(1)
    for size, side in axes:
        place = np.arange(size)
        along = np.minimum(place, size - side) - np.maximum(place - side + 1, 0) + 1
        values, counts = np.unique(along, return_counts=True)
        cover, index = np.unique(np.outer(cover, values), return_inverse=True)
        count = np.bincount(index.ravel(), weights=np.outer(count, counts).ravel())
    return cover, count / count.sum()
