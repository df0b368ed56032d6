"""Mean and variance of a batch, in two passes: E[x^2] - E[x]^2 cancels for a large mean.

All moments keep the reduced axes, with length 1, so that they broadcast against the values.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool

from .._core import dtypes
from ._shards import Shards

Mask = Bool[Array, "..."] | None


class Moments(NamedTuple):
    """Mean and biased variance of `count` values."""

    mean: Array
    variance: Array
    count: Array


def centred_moments(x: Array, axes: tuple[int, ...], where: Mask, shards: Shards) -> tuple[Array, Moments]:
    """Return x minus its mean, and the moments over `axes` and `shards` where `where` holds; 0 where it holds nowhere.

    The difference is returned so that the variance and the normalized result can share it: autodiff is then as cheap as
    the closed form of the gradient. If each computed its own, it would be a third slower.
    """
    real = dtypes.real(x.dtype)
    if where is None:
        count = jnp.asarray(math.prod(x.shape[axis] for axis in axes) * shards.number(), real)
    else:
        count = shards.total(jnp.sum(where.astype(real), axes, keepdims=True))
    divisor = jnp.maximum(count, 1.0)
    mean = shards.total(jnp.sum(_kept(x, where), axes, keepdims=True)) / divisor.astype(x.dtype)
    centred = x - mean
    variance = shards.total(jnp.sum(_kept(_square(centred), where), axes, keepdims=True)) / divisor
    return centred, Moments(mean, variance, jnp.broadcast_to(count, variance.shape))


def pooled(groups: Moments, shards: Shards) -> Moments:
    """Pool the moments of all groups, along the first axis and over `shards`."""
    count = shards.total(jnp.sum(groups.count, 0, keepdims=True))
    share = groups.count / jnp.maximum(count, 1.0)
    mean = shards.total(jnp.sum(share.astype(groups.mean.dtype) * groups.mean, 0, keepdims=True))
    spread = groups.variance + _square(groups.mean - mean)
    return Moments(mean, shards.total(jnp.sum(share * spread, 0, keepdims=True)), count)


def _kept(x: Array, where: Mask) -> Array:
    return x if where is None else jnp.where(where, x, jnp.zeros_like(x))


def _square(x: Array) -> Array:
    return jnp.real(x * jnp.conj(x)) if jnp.iscomplexobj(x) else x * x
