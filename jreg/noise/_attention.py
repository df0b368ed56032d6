"""Attention with dropout that no array of queries by keys is made for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, ArrayLike, Bool, Float, Integer

from .._core import placement
from .._core.checks import Checks, shown
from .._core.types import Key, Number
from ._attention_places import NUM_AXES
from ._attention_weights import attended_in_blocks

BLOCK_SIZE = 128


def attention(
    key: Key | None,
    q: Float[Array, "*batch queries heads features"],
    k: Float[Array, "*batch keys key_heads features"],
    v: Float[Array, "*batch keys key_heads features_out"],
    rate: Number,
    *,
    drop: Literal["weights", "keys", "heads"] = "weights",
    bias: Float[Array, "..."] | None = None,
    mask: Bool[Array, "..."] | None = None,
    is_causal: bool = False,
    scale: Number | None = None,
    block_size: int | None = None,
    shared_axes: int | Sequence[int] = (),
    offset: Sequence[Integer[ArrayLike, ""]] | None = None,
) -> Float[Array, "*batch queries heads features_out"]:
    """Attend as `jax.nn.dot_product_attention` does, and drop weights, keys or heads.

        a = softmax(scale * q k^T + bias),   m ~ Bernoulli(1 - rate) for each example, head, query and key
        "weights":  y = (m * a) v / (1 - rate)
        "keys":     y = softmax(scale * q k^T + bias where m, else -inf) v
        "heads":    y = m * (a v) / (1 - rate), with one m for each example and head

    A block of queries attends at a time, and the backward pass computes its weights and its mask again: no array has an
    entry for every query and key, so memory grows with the length and not with its square. The mask is a function of
    the key and of the position (batch, head, query, key) alone: it does not depend on the lengths, the block size, the
    mesh, x64 mode or remat. A shard of a sequence draws its own part if it is told its `offset`.

    A query that may attend to no key, because all are masked or dropped, gets 0, where `jax.nn.dot_product_attention`
    averages all values. Without a key, or at rate 0, everything else is as there.

    Args:
      key: one key, or None for no noise.
      q: (batch, queries, heads, features), or without the batch; of the dtype of k and v.
      k: may have fewer heads, whose number divides that of q: then each serves as many consecutive heads of q.
      v: may have its own number of features.
      rate: probability of dropping, in [0, 1]. Its gradient is zero.
      drop: what to drop. At the same rate "keys" drops the same places as "weights", but the weights that are left
        again sum to 1.
      bias: added to the scaled products; broadcasts to (batch, heads, queries, keys).
      mask: True where a query may attend to a key; broadcasts to (batch, heads, queries, keys).
      is_causal: whether no query attends to a later key; with an `offset`, positions count in the whole sequence.
      scale: factor of the products; None for 1 / sqrt(features).
      block_size: queries per block; None for 128. Temporary memory is a few arrays of (batch, heads, block_size, keys).
      shared_axes: axes of (batch, head, query, key) along which the mask is constant: with (0, 1), all examples and
        heads share one, as in flax by default.
      offset: the position (batch, head, query, key) of the first element, if these arrays are parts of larger ones; it
        may be traced, such as a multiple of `lax.axis_index`.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), or shapes that do not fit.
      TypeError: q, k and v of different dtypes, or a mask that is not of bools.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> q, k, v = jax.random.normal(jax.random.key(0), (3, 2, 6, 4, 8))
    >>> y = noise.attention(jax.random.key(1), q, k, v, 0.1, is_causal=True)
    >>> y.shape
    (2, 6, 4, 8)
    >>> undropped = noise.attention(None, q, k, v, 0.1)
    >>> bool(jnp.allclose(undropped, jax.nn.dot_product_attention(q, k, v), atol=1e-5))
    True

    Vaswani et al., Attention Is All You Need, NIPS 2017; Li et al., DropKey for Vision Transformer, CVPR 2023; Zhou et
    al., Scheduled DropHead, Findings of EMNLP 2020, where the heads that are left are divided by their share in the
    example instead of its expectation.
    """
    check = Checks("attention")
    check.choice("drop", drop, ("weights", "keys", "heads"))
    q, k, v = (check.floating(name, value) for name, value in (("q", q), ("k", k), ("v", v)))
    has_batch = _has_batch(check, q, k, v)
    if not has_batch:
        q, k, v = q[None], k[None], v[None]
    rows = {
        name: _row(check, name, value, (q.shape[0], q.shape[2], q.shape[1], k.shape[1]))
        for name, value in (("bias", bias), ("mask", mask))
        if value is not None
    }
    rate = check.scalar("rate", rate, 0.0, 1.0)
    factor = check.scalar("scale", 1.0 / math.sqrt(max(q.shape[-1], 1)) if scale is None else scale)
    options = {
        "drop": drop,
        "is_causal": check.flag("is_causal", is_causal),
        "block_size": check.integer("block_size", BLOCK_SIZE if block_size is None else block_size),
        "shared_axes": check.axes("shared_axes", shared_axes, NUM_AXES),
    }
    key = None if key is None else check.key(key)
    attended = partial(attended_in_blocks, **options)
    spec = PartitionSpec(*placement.spec_like(q, q.shape)[:-1], None)
    y = placement.as_on_auto_axes(attended, spec, key, q, k, v, rows, rate, factor, _start(check, offset))
    return y if has_batch else y[0]


def _has_batch(check: Checks, q: Array, k: Array, v: Array) -> bool:
    """Check that the shapes of q, k and v fit one another; with three axes they have no batch."""
    if q.ndim not in (3, 4):
        raise ValueError(f"{check}: q must be (batch, queries, heads, features), or without batch; got shape {q.shape}")
    if (
        k.ndim != q.ndim
        or k.shape[-1] != q.shape[-1]
        or k.shape[:-3] != q.shape[:-3]
        or q.shape[-2] % (k.shape[-2] or 1)
    ):
        raise ValueError(
            f"{check}: k must have the batch and the features of q, of shape {q.shape}, and a number of heads that "
            f"divides that of q; got shape {k.shape}"
        )
    if v.shape[:-1] != k.shape[:-1]:
        raise ValueError(f"{check}: v must be of shape {k.shape}, like k, but for its features; got shape {v.shape}")
    for name, value in (("k", k), ("v", v)):
        if value.dtype != q.dtype:
            raise TypeError(f"{check}: {name} must have the dtype of q, {q.dtype}; got {value.dtype}")
    return q.ndim == 4


def _row(check: Checks, argument: str, value: Any, shape: tuple[int, ...]) -> Array:
    """A bias or a mask with four axes, each of size one or that of `shape`."""
    if argument == "bias":
        value = check.floating(argument, value)
    elif getattr(value, "dtype", None) != jnp.bool_:
        raise TypeError(f"{check}: mask must be an array of bools, True where a query may attend; got {shown(value)}")
    given = (1,) * (4 - value.ndim) + value.shape
    if len(given) > 4 or any(mine not in (1, size) for mine, size in zip(given, shape, strict=True)):
        raise ValueError(
            f"{check}: {argument} must broadcast to (batch, heads, queries, keys), {shape}; got shape {value.shape}"
        )
    return jnp.asarray(value).reshape(given)


def _start(check: Checks, offset: Any) -> tuple[Any, ...]:
    if offset is None:
        return (0,) * NUM_AXES
    if not isinstance(offset, Sequence) or len(offset) != NUM_AXES:
        raise ValueError(f"{check}: offset must be a position (batch, head, query, key); got {shown(offset)}")
    return tuple(check.whole_number("offset", place) for place in offset)
