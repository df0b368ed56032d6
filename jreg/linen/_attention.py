"""flax's attention function, for its attention layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
from flax.linen.dtypes import promote_dtype
from jaxtyping import Array

from .. import noise
from .._core.layers import attend_as_flax
from .._core.types import Key


def dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None = None,
    mask: Array | None = None,
    broadcast_dropout: bool = True,
    dropout_rng: Key | None = None,
    dropout_rate: Any = 0.0,
    deterministic: bool = False,
    dtype: Any = None,
    precision: Any = None,
    module: nn.Module | None = None,
    force_fp32_for_softmax: bool = False,
    einsum_dot_general: Callable[..., Array] | None = None,
    qk_attn_weights_einsum: Callable[..., Array] | None = None,
    attn_weights_value_einsum: Callable[..., Array] | None = None,
) -> Array:
    """flax's `dot_product_attention` by `jreg.noise.attention`, for `MultiHeadDotProductAttention(attention_fn=...)`.

    Differences from flax:
      - No array has an entry for every query and key, unless a `module` wants the weights.
      - The masks differ; the rate may be traced. A traced rate always needs a key, and gives NaN outside [0, 1].
      - A query that may attend to no key gets 0 instead of the average of all values.
      - Products and softmax are in float32 or wider, whatever `force_fp32_for_softmax` says.
      - Heads of keys and values may be fewer than those of queries.
      - An einsum of one's own is refused.

    By default, as in flax, all examples and heads share one mask: `broadcast_dropout=False` gives each its own.

    Args:
      broadcast_dropout: whether all examples and heads share one mask.
      dropout_rng: the key; it is used unless `deterministic`, or at a rate known to be 0.
      module: stores the weights before dropout, which takes their memory; `sow_weights=True` passes it.
      precision: the name of one precision, or one `jax.lax.Precision`.
      query, key, value, bias, mask, dropout_rate, deterministic, dtype, force_fp32_for_softmax, einsum_dot_general,
        qk_attn_weights_einsum, attn_weights_value_einsum: as in flax.

    Raises:
      ValueError: no key where one is needed, an einsum that is not None, or what `noise.attention` refuses.

    >>> import jax, jax.numpy as jnp, flax.linen as nn
    >>> from jreg import linen
    >>> layer = nn.MultiHeadDotProductAttention(
    ...     2, dropout_rate=0.1, broadcast_dropout=False, attention_fn=linen.dot_product_attention
    ... )
    >>> x = jnp.ones((2, 5, 8))
    >>> variables = layer.init(jax.random.key(0), x, deterministic=True)
    >>> layer.apply(variables, x, deterministic=False, rngs={"dropout": jax.random.key(1)}).shape
    (2, 5, 8)
    """
    given = {
        "einsum_dot_general": einsum_dot_general,
        "qk_attn_weights_einsum": qk_attn_weights_einsum,
        "attn_weights_value_einsum": attn_weights_value_einsum,
    }
    for name, einsum in given.items():
        if einsum is not None:
            raise ValueError(f"dot_product_attention: {name} must be None, as the products are fused; got {einsum!r}")
    query, key, value = promote_dtype(query, key, value, dtype=dtype)
    if module is not None:
        nn.attention.dot_product_attention_weights(
            query, key, bias, mask, deterministic=True, dtype=dtype, precision=precision, module=module
        )
    return attend_as_flax(
        noise.attention,
        (query, key, value),
        bias,
        mask,
        broadcast_dropout=broadcast_dropout,
        dropout_rng=dropout_rng,
        dropout_rate=dropout_rate,
        deterministic=deterministic,
        precision=precision,
    )
