"""What all averages of the weights share: a name, a mask, the weights that a step reaches, and counts."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from .._core import checks, trees
from .._core.checks import Checks
from .._core.types import Mask, Number, Tree
from ._leafwise import required


class Tracked(NamedTuple):
    """Which weights an average is of, and under which name its state holds them."""

    check: Checks
    name: str
    mask: Mask

    def started(self, params: Tree) -> Tree:
        """The weights that are averaged, whole or in part; the other leaves are hidden, as by `optax.masked`."""
        return _visible(self._choice(params), params)

    def reached(self, updates: Tree, params: Tree | None) -> tuple[Tree, Tree]:
        """The choice of the mask, and the weights that a step leads to, for the leaves that are averaged."""
        params = required(self.check, params)
        trees.same_structure(self.check, "updates", updates, params)
        choice = self._choice(params)
        # Updates of 16-bit weights may be float32.
        with jax.numpy_dtype_promotion("standard"):
            reached = optax.apply_updates(cast(Any, _visible(choice, params)), _visible(choice, updates))
        return _visible(choice, choice), reached

    def _choice(self, params: Tree) -> Tree:
        """The mask for each leaf, after checking that it selects something."""
        if self.mask is not None:
            trees.selection(self.check, self.mask, params, elementwise=True)
        return trees.resolved(self.check, self.mask, params, elementwise=True)

    def moved(self, choice: Tree, old: Tree, new: Tree, share: Float[Array, ""]) -> Tree:
        """Move each average by a share of the way to the weights; a share of 1 forgets the past, even a NaN."""

        def move(is_taken: Any, old: Array, new: Array) -> Array:
            if not jnp.issubdtype(old.dtype, jnp.inexact):
                return new
            nearer = jnp.where(share == 1.0, new, old + share.astype(old.dtype) * (new - old))
            return self.where(is_taken, nearer, new)

        return jax.tree.map(move, choice, old, new)

    def where(self, is_taken: Any, averaged: Array, new: Array) -> Array:
        """What is averaged, and the weights themselves at the elements that the mask leaves out."""
        if is_taken is True:
            return averaged
        return jnp.where(self.check.broadcastable("mask", is_taken, new.shape), averaged, new)


def tracked(check: Checks, name: str, mask: Mask) -> Tracked:
    check_name(check, name)
    return Tracked(check, name, mask)


def check_name(check: Checks, name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise TypeError(f"{check}: name must be a string with a letter or more; got {checks.shown(name)}")


def whole(check: Checks, argument: str, value: Number, low: int) -> Int[Array, ""] | np.int32:
    """A number of steps, traced or not; a traced one below `low` becomes -1. No other one touches a device."""
    if not checks.is_real(value):  # such as a key, of which numpy makes no array
        raise TypeError(f"{check}: {argument} must be a whole number; got {checks.shown(value)}")
    value = check.whole_number(argument, value)
    if not checks.is_traced(value):
        return np.int32(check.integer(argument, value, low, bits=31))
    value = cast(Array, value).astype(jnp.int32)
    return lax.select(value >= low, value, jnp.full_like(value, -1))


def is_hidden(node: Any) -> bool:
    """Whether a mask left out what would stand here."""
    return isinstance(node, optax.MaskedNode)


def _visible(choice: Tree, tree: Tree) -> Tree:
    return jax.tree.map(lambda is_taken, leaf: optax.MaskedNode() if is_taken is False else leaf, choice, tree)
