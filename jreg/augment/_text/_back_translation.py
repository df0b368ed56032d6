"""Paraphrases by translating into another language and back."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Int

from ..._core.checks import Checks
from ..._core.spoil import spoiled
from ..._core.types import Key, Numbers
from ...random import keep_mask, split
from ._words import rate_per_row, token_rows


def back_translation(
    translate: Callable[[Key, Array], Array],
    translate_back: Callable[[Key, Array], Array],
    key: Key | None,
    tokens: Int[Array, "*batch length"],
    rate: Numbers,
) -> Int[Array, "*batch length"]:
    """Replace each row, with probability `rate`, by its translation into another language and back.

    The two functions are yours: models that decode on the device, or `jax.pure_callback` around what runs elsewhere.
    Each gets a key of its own to sample with; sampled or noisy translations augment better than the most likely ones.
    All rows are translated, whatever the rate. `back_translation(..., None, tokens, rate)` is `tokens`.

    Args:
      translate: `(key, tokens) -> foreign`, of any type.
      translate_back: `(key, foreign) -> tokens`, of the shape and dtype of `tokens`, padding included.
      key: one key, or None for no noise.
      tokens: ids, in rows of one length.
      rate: in [0, 1]; one for all, or one per row, (*batch).

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one spoils the rows, as `jreg.augment` says.
      TypeError: what comes back has another shape or dtype.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> to_german, to_english = (lambda key, tokens: tokens + 100), (lambda key, tokens: tokens - 99)
    >>> augment.back_translation(to_german, to_english, jax.random.key(0), jnp.array([[5, 6]]), 1.0).tolist()
    [[6, 7]]

    Edunov et al., Understanding Back-Translation at Scale, EMNLP 2018.
    """
    check = Checks("back_translation")
    tokens = token_rows(check, tokens)
    rate = rate_per_row(check, rate, tokens)
    for argument, fn in {"translate": translate, "translate_back": translate_back}.items():
        if not callable(fn):
            raise TypeError(f"{check}: {argument} must be a function of (key, tokens); got {fn!r}")
    if key is None:
        return tokens
    row_key, there_key, back_key = split(check.key(key), 3)
    returned = jnp.asarray(translate_back(back_key, translate(there_key, tokens)))
    if returned.shape != tokens.shape or returned.dtype != tokens.dtype:
        raise TypeError(
            f"{check}: translate_back must return {tokens.dtype}{list(tokens.shape)}; "
            f"got {returned.dtype}{list(returned.shape)}"
        )
    is_kept = keep_mask(row_key, (*tokens.shape[:-1], 1), rate)
    return spoiled(jnp.where(is_kept, tokens, returned), rate)
