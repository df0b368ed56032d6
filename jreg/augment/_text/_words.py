"""Which tokens are words, how many of them to change, and in which order they are drawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..._core.checks import Checks
from ..._core.ids import whole
from ..._core.types import Key, Numbers
from ...random import hash_bits
from .._examples import number_per_example


def token_rows(check: Checks, tokens: Array) -> Int[Array, "*batch length"]:
    """Return an array of token ids."""
    if not isinstance(tokens, jax.Array | np.ndarray):
        raise TypeError(f"{check}: tokens must be an array; got {type(tokens).__name__}")
    if not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise TypeError(f"{check}: tokens must hold integers; got dtype {tokens.dtype}")
    if tokens.ndim == 0:
        raise ValueError(f"{check}: tokens must be (*batch, length); got shape ()")
    return whole(check, "tokens", tokens)


def rate_per_row(check: Checks, rate: Numbers, tokens: Array) -> Float[Array, "..."]:
    """Return a rate in [0, 1] that broadcasts against the tokens."""
    return number_per_example(check, "rate", rate, tokens.shape[:-1], 0.0, 1.0, num_axes=1)


def token_id(check: Checks, argument: str, value: int, dtype: np.dtype) -> int:
    """Return a static id that the tokens' dtype can hold."""
    info = jnp.iinfo(dtype)
    value = check.integer(argument, value, low=int(info.min))
    if value > info.max:
        raise ValueError(f"{check}: {argument} must be at most {info.max} for tokens of {dtype}; got {value}")
    return value


def words_of(
    check: Checks, tokens: Array, special_ids: Sequence[int], padding_id: int | None
) -> tuple[Bool[Array, "*batch length"], Bool[Array, "*batch length"]]:
    """Which places hold a word, neither special nor padding, and which hold padding."""
    # No place holds an id beyond the dtype, such as -1 among unsigned tokens.
    info = jnp.iinfo(tokens.dtype)
    if not isinstance(special_ids, Collection) or isinstance(special_ids, str):
        raise TypeError(f"{check}: special_ids must be a sequence of ints; got {special_ids!r}")
    ids = {
        "padding_id": (check.integer("padding_id", padding_id, low=-(2**63)),) if padding_id is not None else (),
        "special_ids": check.integers("special_ids", special_ids),
    }
    found = {}
    for argument, values in ids.items():
        places = [tokens == value for value in values if info.min <= value <= info.max]
        found[argument] = jnp.stack([jnp.zeros_like(tokens, bool), *places]).any(0)
    return ~(found["padding_id"] | found["special_ids"]), found["padding_id"]


@partial(jax.jit, inline=True)
def count_of(rate: Float[Array, "..."], is_word: Bool[Array, "*batch length"]) -> Int[Array, "*batch 1"]:
    """How many words a rate means in each row: rounded down, but at least one unless the rate is 0."""
    num_words = jnp.sum(is_word, axis=-1, keepdims=True, dtype=jnp.int32)
    share = jnp.floor(jnp.nan_to_num(rate).astype(jnp.float32) * num_words.astype(jnp.float32)).astype(jnp.int32)
    return jnp.where(rate > 0.0, jnp.clip(share, jnp.minimum(1, num_words), num_words), 0)


@partial(jax.jit, inline=True)
def shuffled(key: Key, is_word: Bool[Array, "*batch length"]) -> Int[Array, "*batch length"]:
    """Places in random order, those of words before all others."""
    draws = jnp.where(is_word, hash_bits(key, is_word.shape) >> 1, np.uint32(2**32 - 1))
    return jnp.argsort(draws, axis=-1, stable=True)


@partial(jax.jit, inline=True)
def chosen(
    key: Key, is_word: Bool[Array, "*batch length"], num: Int[Array, "*batch 1"]
) -> Bool[Array, "*batch length"]:
    """Choose `num` of the words of each row, or all where there are fewer."""
    rank = jnp.argsort(shuffled(key, is_word), axis=-1)
    return (rank < num.astype(rank.dtype)) & is_word


def taken(values: Array, places: Array) -> Array:
    """The values at places of each row, which must be within it."""
    return jnp.take_along_axis(values, places, axis=-1, mode="promise_in_bounds")
