"""From products of queries and keys to weights: scale, bias, masks, softmax, and what is dropped of it."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from .._core import marks, masks, placement
from .._core.checks import Checks
from .._core.types import Key
from ._attention_blocks import Rows, attend
from ._attention_places import Places, is_not_later, kept_at, places_of
from ._drop import inverse_share, scale


@partial(jax.jit, static_argnames=("drop", "is_causal", "block_size", "shared_axes"), inline=True)
def attended_in_blocks(
    key: Key | None,
    q: Float[Array, "batch queries heads features"],
    k: Float[Array, "batch keys groups features"],
    v: Float[Array, "batch keys groups features_out"],
    rows: Rows,
    rate: Float[Array, ""],
    factor: Float[Array, ""],
    offset: tuple[Any, ...],
    *,
    drop: str,
    is_causal: bool,
    block_size: int,
    shared_axes: tuple[int, ...],
) -> Float[Array, "batch queries heads features_out"]:
    """`attention` of checked arguments: `rows` holds a bias and a mask, or less; `factor` scales the products."""
    check = Checks("attention")
    q, k, v = map(check.reads, (q, k, v))
    y_shape = (*q.shape[:-1], v.shape[-1])
    if 0 in (*y_shape, *k.shape[:-1]):
        return check.returns(placement.placed_like(jnp.zeros(y_shape, q.dtype), q))
    rate, groups = lax.stop_gradient(rate), k.shape[2]
    nothing = rate * 0.0  # NaN where the rate is

    def places_from(start: Any, num_queries: int) -> Places:
        sizes = (q.shape[0], groups, q.shape[2] // groups, num_queries, k.shape[1])
        return places_of(sizes, offset, start)

    def weigh(products: Array, start: Array, rows: Rows) -> tuple[Array, Array]:
        places = places_from(start, products.shape[-2])
        kept = None if key is None or drop == "heads" else kept_at(key, places, rate, shared_axes)
        is_before = is_not_later(places) if is_causal else None
        logits = products * factor.astype(products.dtype)
        if "bias" in rows:
            logits = logits + rows["bias"].astype(logits.dtype)
        weights, gain = _softmax(logits, rows.get("mask"), is_before, kept if drop == "keys" else None)
        if kept is None:
            return weights, gain
        if drop == "keys":
            return weights, gain + nothing.astype(gain.dtype)
        return masks.where(kept, weights, nothing.astype(weights.dtype)), scale(gain, inverse_share(rate))

    @partial(jax.checkpoint, prevent_cse=False, policy=marks.keep_scalars)
    def without_heads(key: Key, y: Array) -> Array:
        kept = kept_at(key, places_from(jnp.uint32(0), q.shape[1]), rate, {*shared_axes, 2, 3})
        return masks.where(kept, scale(y, inverse_share(rate)), nothing.astype(y.dtype))

    y = attend(
        jnp.moveaxis(q.reshape(*q.shape[:2], groups, q.shape[2] // groups, q.shape[-1]), 1, 3),
        jnp.moveaxis(k, 1, 2),
        jnp.moveaxis(v, 1, 2),
        {name: _by_group(row, groups) for name, row in rows.items()},
        weigh,
        block_size,
    )
    if key is not None and drop == "heads":
        y = without_heads(key, y)
    return check.returns(jnp.moveaxis(y, 3, 1).reshape(y_shape))


def _softmax(logits: Array, *allowed: Bool[Array, "..."] | None) -> tuple[Array, Array]:
    """Weights that are not yet normalized, and the factor that makes their sum 1; 0 where nothing is allowed."""
    for each in allowed:
        if each is not None:
            logits = masks.where(each, logits, jnp.array(-jnp.inf, logits.dtype))
    # The start of the maximum is finite: without it, a row of -inf would be NaN.
    top = jnp.max(lax.stop_gradient(logits), axis=-1, keepdims=True, initial=jnp.finfo(logits.dtype).min)
    weights = jnp.exp(logits - top)
    total = jnp.sum(weights, axis=-1, keepdims=True)
    return weights, 1.0 / jnp.where(total == 0.0, jnp.ones_like(total), total)


def _by_group(row: Array, groups: int) -> Array:
    """Split the axis of heads, unless it has one entry for all, into groups and their members."""
    batch, heads, *rest = row.shape
    return row.reshape(batch, 1, 1, *rest) if heads == 1 else row.reshape(batch, groups, heads // groups, *rest)
