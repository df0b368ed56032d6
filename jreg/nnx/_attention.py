"""flax's attention function, for its attention layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flax import nnx
from flax.nnx.nn.attention import dot_product_attention_weights
from flax.nnx.nn.dtypes import promote_dtype as promoted
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
    module: nnx.Module | None = None,
    promote_dtype: Callable[..., Any] = promoted,
    is_causal: bool = False,
) -> Array:
    """flax's `dot_product_attention` by `jreg.noise.attention`, for `MultiHeadAttention(attention_fn=...)`.

    Differences from flax:
      - No array has an entry for every query and key, unless a `module` wants the weights.
      - The masks differ; the rate may be traced. A traced rate always needs a key, and gives NaN outside [0, 1].
      - A query that may attend to no key gets 0 instead of the average of all values.
      - Products and softmax are in float32 or wider.

    By default, as in flax, all examples and heads share one mask: `broadcast_dropout=False` gives each its own.

    Args:
      broadcast_dropout: whether all examples and heads share one mask.
      dropout_rng: the key; it is used unless `deterministic`, or at a rate known to be 0.
      module: stores the weights before dropout, which takes their memory; `sow_weights=True` passes it.
      precision: the name of one precision, or one `jax.lax.Precision`.
      query, key, value, bias, mask, dropout_rate, deterministic, dtype, promote_dtype, is_causal: as in flax.

    Raises:
      ValueError: no key where one is needed, or what `noise.attention` refuses.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> layer = flax_nnx.MultiHeadAttention(
    ...     2, 8, dropout_rate=0.1, broadcast_dropout=False, attention_fn=nnx.dot_product_attention, decode=False,
    ...     deterministic=False, rngs=flax_nnx.Rngs(0),
    ... )
    >>> layer(jnp.ones((2, 5, 8))).shape
    (2, 5, 8)
    """
    query, key, value = promote_dtype((query, key, value), dtype=dtype)
    if module is not None:
        options: dict[str, Any] = {"precision": precision, "module": module, "is_causal": is_causal}
        dot_product_attention_weights(query, key, bias, mask, deterministic=True, dtype=dtype, **options)
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
        is_causal=is_causal,
    )
