"""Noise on token ids that needs no knowledge of the language: mask, swap, delete.

Rows keep their static length. A word is a token that is neither padding nor special; no other token changes. Every row
draws for itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Int

from ..._core.checks import Checks
from ..._core.spoil import spoiled
from ..._core.types import Key, Numbers
from ...random import hash_bits, keep_mask, kept
from ._words import count_of, rate_per_row, shuffled, taken, token_id, token_rows, words_of


def token_dropout(
    key: Key | None,
    tokens: Int[Array, "*batch length"],
    rate: Numbers,
    *,
    mask_id: int,
    special_ids: Sequence[int] = (),
    padding_id: int | None = None,
) -> Int[Array, "*batch length"]:
    """Replace each word by `mask_id` with probability `rate`: word dropout.

    `token_dropout(None, tokens, rate)` is `tokens`.

    Args:
      key: one key, or None for no noise.
      tokens: ids, in rows of one length.
      rate: in [0, 1]; one for all, or one per row, (*batch).
      mask_id: what a dropped word becomes, such as the id of [MASK] or of unknown words.
      special_ids: ids to leave alone, such as those of [CLS] and [SEP].
      padding_id: the id that fills up rows, left alone too; None where there is none.

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one spoils the rows, as `jreg.augment`
        says: `jnp.take` embeds them as NaN.
      TypeError: tokens of floats.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> tokens = jnp.array([1, 7, 8, 9, 0, 0])
    >>> augment.token_dropout(jax.random.key(0), tokens, 1.0, mask_id=3, special_ids=(1,), padding_id=0).tolist()
    [1, 3, 3, 3, 0, 0]

    Bowman et al., Generating Sentences from a Continuous Space, CoNLL 2016.
    """
    check = Checks("token_dropout")
    tokens = token_rows(check, tokens)
    rate = rate_per_row(check, rate, tokens)
    mask_id = token_id(check, "mask_id", mask_id, tokens.dtype)
    is_word, _ = words_of(check, tokens, special_ids, padding_id)
    if key is None:
        return tokens
    is_kept = keep_mask(check.key(key), tokens.shape, rate) | ~is_word
    return spoiled(jnp.where(is_kept, tokens, jnp.asarray(mask_id, tokens.dtype)), rate)


def random_swap(
    key: Key | None,
    tokens: Int[Array, "*batch length"],
    rate: Numbers,
    *,
    special_ids: Sequence[int] = (),
    padding_id: int | None = None,
) -> Int[Array, "*batch length"]:
    """Swap pairs of words: floor(rate * words) pairs in each row, one at least unless `rate` is 0.

    The pairs share no word, so exactly twice as many places change as there are pairs, where the authors' code may swap
    a word back; there are at most words // 2 pairs. `random_swap(None, tokens, rate)` is `tokens`.

    Args:
      key: one key, or None for no noise.
      tokens: ids, in rows of one length.
      rate: pairs per word, the paper's alpha, in [0, 1]; one for all, or one per row, (*batch). 0.1 is usual.
      special_ids: ids to leave alone, such as those of [CLS] and [SEP].
      padding_id: the id that fills up rows, left alone too; None where there is none.

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one spoils the rows, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> tokens = jnp.array([1, 7, 8, 2, 0])
    >>> augment.random_swap(jax.random.key(0), tokens, 0.1, special_ids=(1, 2), padding_id=0).tolist()
    [1, 8, 7, 2, 0]

    Wei and Zou, EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks, EMNLP
    2019.
    """
    check = Checks("random_swap")
    tokens = token_rows(check, tokens)
    rate = rate_per_row(check, rate, tokens)
    is_word, _ = words_of(check, tokens, special_ids, padding_id)
    if key is None:
        return tokens
    order = shuffled(check.key(key), is_word)
    rank = jnp.argsort(order, axis=-1)
    num_pairs = jnp.minimum(count_of(rate, is_word), jnp.sum(is_word, axis=-1, keepdims=True, dtype=jnp.int32) // 2)
    # Neighbours in the random order are partners: ranks 0 and 1, 2 and 3, and so on.
    partner = taken(order, jnp.minimum(rank ^ 1, max(tokens.shape[-1] - 1, 0)))
    is_swapped = rank < 2 * num_pairs.astype(rank.dtype)
    return spoiled(jnp.where(is_swapped, taken(tokens, partner), tokens), rate)


def random_deletion(
    key: Key | None,
    tokens: Int[Array, "*batch length"],
    rate: Numbers,
    *,
    padding_id: int,
    special_ids: Sequence[int] = (),
) -> Int[Array, "*batch length"]:
    """Delete each word with probability `rate`, close the gaps, and pad the row at its end.

    At least one word of a row is kept; if all would go, each is equally likely to stay.
    `random_deletion(None, tokens, rate)` is `tokens`.

    Args:
      key: one key, or None for no noise.
      tokens: ids, in rows of one length.
      rate: in [0, 1]; one for all, or one per row, (*batch). 0.1 is usual.
      padding_id: the id that fills up rows.
      special_ids: ids that are never deleted, such as those of [CLS] and [SEP].

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one spoils the rows, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> tokens = jnp.array([1, 7, 8, 9, 2, 0])
    >>> short = augment.random_deletion(jax.random.key(0), tokens, 1.0, padding_id=0, special_ids=(1, 2))
    >>> int(short[0]), int(short[1]) in (7, 8, 9), short[2:].tolist()
    (1, True, [2, 0, 0, 0])

    Wei and Zou, EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks, EMNLP
    2019.
    """
    check = Checks("random_deletion")
    tokens = token_rows(check, tokens)
    rate = rate_per_row(check, rate, tokens)
    is_word, _ = words_of(check, tokens, special_ids, padding_id)
    padding = jnp.asarray(token_id(check, "padding_id", padding_id, tokens.dtype), tokens.dtype)
    if key is None or not tokens.size:
        return tokens
    # The word of the largest draw is the last that a growing rate would delete, so keeping it changes no other word.
    draws = jnp.where(is_word, hash_bits(check.key(key), tokens.shape), 0)
    is_last = draws == jnp.max(draws, axis=-1, keepdims=True)
    is_kept = kept(draws, rate) | is_last | ~is_word
    order = jnp.argsort(~is_kept, axis=-1, stable=True)
    num_kept = jnp.sum(is_kept, axis=-1, keepdims=True)
    place = jnp.arange(tokens.shape[-1], dtype=num_kept.dtype).reshape((1,) * (tokens.ndim - 1) + (-1,))
    return spoiled(jnp.where(place < num_kept, taken(tokens, order), padding), rate)
