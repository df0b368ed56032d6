"""Noise on token ids from a table of synonyms: replace words by them, or insert them.

The table has a row for every id, and in it the ids of its synonyms; -1 stands for none, anywhere in the row. Any other
table of substitutes will do, such as the nearest neighbours among embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from ..._core.checks import Checks
from ..._core.ids import whole
from ..._core.placement import looked_up
from ..._core.spoil import spoiled
from ..._core.types import Key, Numbers
from ...random import split
from .._draws import integers
from ._words import chosen, count_of, rate_per_row, taken, token_id, token_rows, words_of


def synonym_replacement(
    key: Key | None,
    tokens: Int[Array, "*batch length"],
    synonyms: Int[Array, "vocabulary width"],
    rate: Numbers,
    *,
    special_ids: Sequence[int] = (),
    padding_id: int | None = None,
) -> Int[Array, "*batch length"]:
    """Replace words by synonyms: floor(rate * words) of each row, one at least unless `rate` is 0.

    Only words that have a synonym are replaced, all of them if there are too few. Each place is drawn separately, where
    the authors' code replaces a word wherever it occurs. `synonym_replacement(None, ...)` is `tokens`.

    Args:
      key: one key, or None for no noise.
      tokens: ids, in rows of one length.
      synonyms: row i holds the synonyms of id i; an entry below 0 is none. Ids beyond the table have none.
      rate: the share of words, the paper's alpha, in [0, 1]; one for all, or one per row, (*batch). 0.1 is usual.
      special_ids: ids to leave alone, such as those of [CLS] and [SEP].
      padding_id: the id that fills up rows, left alone too; None where there is none.

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one spoils the rows, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> synonyms = jnp.array([[-1], [-1], [3], [2], [-1]])
    >>> augment.synonym_replacement(jax.random.key(0), jnp.array([1, 2, 3, 4, 0]), synonyms, 1.0).tolist()
    [1, 3, 2, 4, 0]

    Wei and Zou, EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks, EMNLP
    2019.
    """
    check = Checks("synonym_replacement")
    tokens, synonyms = token_rows(check, tokens), _table(check, synonyms)
    rate = rate_per_row(check, rate, tokens)
    is_word, _ = words_of(check, tokens, special_ids, padding_id)
    if key is None:
        return tokens
    word_key, synonym_key = split(check.key(key))
    synonym, has_synonym = _draw_synonyms(synonym_key, tokens, synonyms)
    is_replaced = chosen(word_key, is_word & has_synonym, count_of(rate, is_word))
    return spoiled(jnp.where(is_replaced, synonym, tokens), rate)


def random_insertion(
    key: Key | None,
    tokens: Int[Array, "*batch length"],
    synonyms: Int[Array, "vocabulary width"],
    rate: Numbers,
    *,
    padding_id: int,
    special_ids: Sequence[int] = (),
) -> Int[Array, "*batch length"]:
    """Insert synonyms of the row's own words before random words of it: floor(rate * words), one at least.

    Insertions take the place of the last padding of the row, at most as many as there is padding: no token is lost and
    the length stays. Rate 0 inserts nothing. `random_insertion(None, ...)` is `tokens`.

    Args:
      key: one key, or None for no noise.
      tokens: ids, in rows of one length.
      synonyms: row i holds the synonyms of id i; an entry below 0 is none. Ids beyond the table have none.
      rate: insertions per word, the paper's alpha, in [0, 1]; one for all, or one per row, (*batch). 0.1 is usual.
      padding_id: the id that fills up rows.
      special_ids: ids that get no synonym and before which nothing is inserted, such as those of [CLS] and [SEP].

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one spoils the rows, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> synonyms = jnp.array([[-1], [-1], [3], [-1]])
    >>> tokens = jnp.array([1, 2, 0, 0])
    >>> augment.random_insertion(jax.random.key(0), tokens, synonyms, 0.5, padding_id=0, special_ids=(1,)).tolist()
    [1, 3, 2, 0]

    Wei and Zou, EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks, EMNLP
    2019.
    """
    check = Checks("random_insertion")
    tokens, synonyms = token_rows(check, tokens), _table(check, synonyms)
    rate = rate_per_row(check, rate, tokens)
    padding_id = token_id(check, "padding_id", padding_id, tokens.dtype)
    is_word, is_padding = words_of(check, tokens, special_ids, padding_id)
    if key is None:
        return tokens
    word_key, synonym_key, place_key = split(check.key(key), 3)
    synonym, has_synonym = _draw_synonyms(synonym_key, tokens, synonyms)
    room = jnp.sum(is_padding, axis=-1, keepdims=True, dtype=jnp.int32)
    is_source = chosen(word_key, is_word & has_synonym, jnp.minimum(count_of(rate, is_word), room))
    return spoiled(_inserted(tokens, synonym, is_source, _anchors(place_key, is_word), is_padding), rate)


@partial(jax.jit, inline=True)
def _inserted(tokens: Array, synonym: Array, is_source: Array, anchors: Array, is_padding: Array) -> Array:
    """Put the synonym of each source before its anchor; as much padding goes, the last of the row."""
    length = tokens.shape[-1]
    padding_from_the_end = jnp.cumsum(is_padding[..., ::-1], axis=-1)[..., ::-1]
    is_dropped = is_padding & (padding_from_the_end <= jnp.sum(is_source, axis=-1, keepdims=True))
    places = jnp.arange(length, dtype=jnp.int32).reshape((1,) * (tokens.ndim - 1) + (length,))
    # Sorting by these leaves the tokens in order, an insertion right before its anchor, and the rest at the end.
    of_tokens = jnp.where(is_dropped, 2 * length, 2 * places + 1)
    of_synonyms = jnp.where(is_source, 2 * anchors, 2 * length)
    order = jnp.argsort(jnp.concatenate([of_tokens, of_synonyms], axis=-1), axis=-1, stable=True)
    return taken(jnp.concatenate([tokens, synonym], axis=-1), order[..., :length])


@partial(jax.jit, inline=True)
def _anchors(key: Key, is_word: Bool[Array, "*batch length"]) -> Int[Array, "*batch length"]:
    """The place of a random word of the row, drawn for every place."""
    words_first = jnp.argsort(~is_word, axis=-1, stable=True).astype(jnp.int32)
    return taken(words_first, integers(key, is_word.shape, jnp.sum(is_word, axis=-1, keepdims=True)))


@partial(jax.jit, inline=True)
def _draw_synonyms(key: Key, tokens: Array, synonyms: Array) -> tuple[Array, Bool[Array, "*batch length"]]:
    """A random synonym for every place, and whether there is one."""
    is_known = (tokens >= 0) & (tokens.astype(jnp.uint32) < synonyms.shape[0])
    ids = jnp.where(is_known, tokens, 0).astype(jnp.int32)
    rows = looked_up(synonyms, ids)
    is_synonym = (rows >= 0) & is_known[..., None]
    num = jnp.sum(is_synonym, axis=-1, dtype=jnp.int32)
    wanted = integers(key, tokens.shape, num)
    is_wanted = jnp.cumsum(is_synonym, axis=-1, dtype=jnp.int32) > wanted[..., None]
    synonym = taken(rows, jnp.argmax(is_wanted, axis=-1, keepdims=True))[..., 0]
    return synonym.astype(tokens.dtype), num > 0


def _table(check: Checks, synonyms: Array) -> Array:
    if not isinstance(synonyms, jax.Array | np.ndarray) or not jnp.issubdtype(synonyms.dtype, jnp.integer):
        raise TypeError(f"{check}: synonyms must be an array of integers; got {synonyms!r}")
    if synonyms.ndim != 2 or 0 in synonyms.shape:
        raise ValueError(f"{check}: synonyms must be (vocabulary, width); got shape {synonyms.shape}")
    return whole(check, "synonyms", synonyms)
