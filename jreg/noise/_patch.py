"""Patch dropout: train a transformer on fewer tokens."""

from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from jaxtyping import Array, Shaped

from .._core import checks, placement
from .._core.checks import Checks
from .._core.types import Key
from ..random import hash_bits


def patch_dropout(
    key: Key | None, tokens: Shaped[Array, "batch length *features"], rate: float, *, num_prefix: int = 0
) -> Shaped[Array, "batch kept *features"]:
    """Remove tokens chosen at random for each example, which shortens the sequence and the work on it.

        kept = num_prefix + max(1, round((length - num_prefix) * (1 - rate)))

    The remaining tokens keep their order and are not rescaled; add position embeddings beforehand. The choice depends
    only on key, batch, length and rate: the same call on positions or padding masks, which may be ints or bools, picks
    the same tokens. `patch_dropout(None, tokens, rate)` is `tokens`, at full length.

    Args:
      key: one key, or None for no removal.
      rate: the share to remove, in [0, 1]; static, because the shape of the result depends on it.
      num_prefix: how many tokens at the start are always kept, such as the class token and registers.

    Raises:
      ValueError: a rate outside [0, 1], fewer than two axes, or fewer tokens than `num_prefix`.
      TypeError: a traced rate.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> tokens = jnp.arange(9)[None, :, None]
    >>> kept = noise.patch_dropout(jax.random.key(0), tokens, 0.5, num_prefix=1)
    >>> kept.shape, int(kept[0, 0, 0]), bool((jnp.diff(kept[0, :, 0]) > 0).all())
    ((1, 5, 1), 0, True)

    Liu et al., PatchDropout: Economizing Vision Transformers Using Patch Dropout, WACV 2023.
    """
    check = Checks("patch_dropout")
    tokens = _sequences(check, tokens)
    num_prefix = check.integer("num_prefix", num_prefix, low=0)
    length = tokens.shape[1] - num_prefix
    if length < 0:
        raise ValueError(f"patch_dropout: tokens must be at least num_prefix, {num_prefix}; got shape {tokens.shape}")
    num_kept = min(length, max(1, round(length * (1.0 - _static_rate(check, rate)))))
    if key is None:
        return tokens
    key = check.key(key)
    tokens = check.reads(tokens)
    words = hash_bits(key, (tokens.shape[0], length))
    spec = placement.spec_like(tokens, (tokens.shape[0], num_prefix + num_kept, *tokens.shape[2:]))
    kept = placement.as_on_auto_axes(partial(_kept, num_kept=num_kept, num_prefix=num_prefix), spec, words, tokens)
    return check.returns(kept)


def _kept(words: Array, tokens: Array, *, num_kept: int, num_prefix: int) -> Array:
    # A stable sort breaks ties in the same way on every device, which `lax.top_k` does not promise.
    chosen = jnp.sort(jnp.argsort(words, axis=1)[:, :num_kept], axis=1) + num_prefix
    rows = jnp.arange(tokens.shape[0])[:, None]
    rest = tokens.at[rows, chosen].get(mode="promise_in_bounds", indices_are_sorted=True, unique_indices=True)
    return jnp.concatenate([tokens[:, :num_prefix], rest], axis=1)


def _static_rate(check: Checks, rate: float) -> float:
    if checks.is_traced(rate):
        raise TypeError(f"{check}: rate must be static, since the shape depends on it; got a traced value")
    check.scalar("rate", rate, 0.0, 1.0)
    return float(rate)


def _sequences(check: Checks, tokens: Array) -> Array:
    tokens = check.array("tokens", tokens)
    if len(tokens.shape) < 2:
        raise ValueError(f"{check}: tokens must be (batch, length, *features); got shape {tokens.shape}")
    return jnp.asarray(tokens)
