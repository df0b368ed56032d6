"""Attention for a block of queries at a time: no array has an entry for every pair of a query and a key.

A block attends to all keys at once, so its softmax is complete: there is no running maximum to correct, and memory is
linear in the number of keys. The blocks run one after the other, and each is a `jax.checkpoint`: the backward pass
keeps q, k and v alone and computes the weights of a block again. These are the five products per block of
FlashAttention's backward pass (Dao et al., NeurIPS 2022), without a `custom_vjp`, which would rule out forward mode and
second derivatives.

Shapes: q is (batch, groups, members, queries, features), k and v are (batch, groups, keys, features): the query heads
of a group share one head of keys and values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .._core import dtypes, marks

Rows = Mapping[str, Array]
"""Arrays with an entry for each query, or one for all queries, along the second axis from the end."""

Weigh = Callable[[Array, Array, Rows], tuple[Array, Array]]
"""`weigh(products, start, rows)`: the weights of the queries from `start` on, and a factor for what they sum up."""


def attend(
    q: Float[Array, "batch groups members queries features"],
    k: Float[Array, "batch groups keys features"],
    v: Float[Array, "batch groups keys features_out"],
    rows: Rows,
    weigh: Weigh,
    block_size: int,
) -> Float[Array, "batch groups members queries features_out"]:
    """Sum the values under the weights that `weigh` gives, for at most `block_size` queries at a time.

    Everything is computed in float32 or wider: the gradients of k and v are sums over the blocks, and 16 bits would
    lose most of the later ones.
    """
    dtype, wide = q.dtype, dtypes.widened(q.dtype)
    k, v = k.astype(wide), v.astype(wide)

    @partial(jax.checkpoint, prevent_cse=False, policy=marks.keep_scalars)
    def block(start: Array, q: Array, rows: Rows, k: Array, v: Array) -> Array:
        weights, gain = weigh(_product("bgqf,bgkf->bgqk", q.astype(wide), k), start, rows)
        return (_product("bgqk,bgkf->bgqf", weights, v) * gain).astype(dtype)

    num_queries = q.shape[-2]
    num_blocks = -(-num_queries // block_size)
    if num_blocks == 1:
        return block(jnp.uint32(0), q, rows, k, v)
    size = -(-num_queries // num_blocks)
    shared = {name: row for name, row in rows.items() if row.shape[-2] == 1}
    own = {name: row for name, row in rows.items() if name not in shared}

    def step(_: None, cut: tuple[Array, Array, Rows]) -> tuple[None, Array]:
        start, q, own = cut
        return None, block(start, q, {**shared, **own}, k, v)

    starts = jnp.arange(num_blocks, dtype=jnp.uint32) * jnp.uint32(size)
    _, blocks = lax.scan(step, None, (starts, *jax.tree.map(partial(_cut, size=size), (q, own))))
    joined = jnp.moveaxis(blocks, 0, -3)
    return joined.reshape(*joined.shape[:-3], -1, joined.shape[-1])[..., :num_queries, :]


def _product(subscripts: str, x: Array, matrix: Array) -> Array:
    """A product in which members and queries are one axis: XLA is slow, on a CPU, at those that sum over two."""
    batch, groups, members, queries, terms = x.shape
    found = jnp.einsum(subscripts, x.reshape(batch, groups, members * queries, terms), matrix)
    return found.reshape(*x.shape[:-1], found.shape[-1])


def _cut(x: Array, size: int) -> Array:
    """Blocks of `size` queries along a new first axis; the last one is filled up with zeros."""
    missing = -x.shape[-2] % size
    filled = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(0, missing), (0, 0)]) if missing else x
    num_blocks = filled.shape[-2] // size
    return jnp.moveaxis(filled.reshape(*x.shape[:-2], num_blocks, size, x.shape[-1]), -3, 0)
