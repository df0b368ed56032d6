"""Splitting keys that may be None: a key means noise, and None the deterministic result, at every level.

Each key is either split, folded or consumed, and only once. `jax.random.fold_in(key, i)` equals
`jax.random.split(key, n)[i]` for the default implementation, so splitting and folding the same key gives the same
children twice. The functions of jreg only split their keys; only the outermost loop folds its step into the root key.
"""

from __future__ import annotations

from typing import Any, TypeVar

import jax
from jaxtyping import ArrayLike, Integer, PyTree

from .._core.checks import Checks
from .._core.types import Key

K = TypeVar("K", bound=Key | None)


def split(key: K, num: int = 2) -> tuple[K, ...]:
    """Split a key into a tuple of `num` keys; None splits into Nones.

    >>> import jax
    >>> from jreg import random
    >>> first, second = random.split(jax.random.key(0))
    >>> random.split(None, 3)
    (None, None, None)
    """
    check = Checks("split")
    num = check.integer("num", num, low=0)
    return _children(check, key, num)


def split_array(key: K, num: int) -> K:
    """Split a key into one array of `num` keys, for `lax.scan` and `vmap`; None stays None.

    None is an empty pytree, so `vmap` and `scan` accept it in place of an array of keys.

    >>> import jax
    >>> from jreg import random
    >>> random.split_array(jax.random.key(0), 4).shape
    (4,)
    """
    check = Checks("split_array")
    num = check.integer("num", num, low=0)
    if key is None:
        return key
    keys: Any = jax.random.split(check.key(key), num)
    return keys


def split_like(key: K, tree: PyTree) -> PyTree[K]:
    """Split a key into one key per leaf, in the structure of `tree`; None gives None for each leaf.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import random
    >>> sorted(random.split_like(jax.random.key(0), {"kernel": jnp.ones(2), "bias": jnp.ones(1)}))
    ['bias', 'kernel']
    """
    leaves, treedef = jax.tree.flatten(tree)
    return jax.tree.unflatten(treedef, _children(Checks("split_like"), key, len(leaves)))


def fold_in(key: K, data: Integer[ArrayLike, ""]) -> K:
    """Fold a step or an index into a key; None stays None.

    `data` is a 32-bit word: a traced number is taken modulo 2**32, so a traced -1 is 2**32 - 1, as in
    `jax.random.fold_in`.

    Raises:
      ValueError: a concrete `data` outside [0, 2**32).
      TypeError: `data` is not a whole number (`jax.random.fold_in` treats 1.5 as 1).

    >>> import jax
    >>> from jreg import random
    >>> step_key = random.fold_in(jax.random.key(0), 7)
    >>> random.fold_in(None, 7) is None
    True
    """
    check = Checks("fold_in")
    data = check.whole_number("data", data)
    if key is None:
        return key
    folded: Any = jax.random.fold_in(check.key(key), data)
    return folded


def _children(check: Checks, key: Any, num: int) -> tuple[Any, ...]:
    if key is None:
        return (None,) * num
    keys = jax.random.split(check.key(key), num)
    return tuple(keys[i] for i in range(num))
