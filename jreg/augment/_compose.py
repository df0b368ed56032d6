"""Four words that compose transforms `(key, x) -> x` into one, where x is any pytree.

A transform with parameters becomes one by `functools.partial`: `partial(noise.dropout, rate=rate)`. The key None runs
the deterministic member of every part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from .._core import keys
from .._core.checks import Checks
from .._core.placement import placed_along
from .._core.spoil import spoiled
from .._core.types import Key, Number, Transform, Tree
from ..random import hash_bits, keep_mask, split, split_array
from ._examples import batch_size


@dataclass(frozen=True)
class _Composed:
    """A transform that prints as the call that made it."""

    name: str
    parts: tuple[Any, ...]
    apply: Transform

    def __call__(self, key: Key | None, x: Tree) -> Tree:
        return self.apply(key, x)

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(_shown, self.parts))})"


def chain(*fns: Transform) -> Transform:
    """Apply the transforms `fns` from left to right, each under its own key; `chain()` is the identity.

    Appending a transform does not change the draws of those before it.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment, noise
    >>> transform = augment.chain(partial(noise.dropout, rate=0.5), lambda key, x: x + 1.0)
    >>> transform(None, jnp.zeros(2)).tolist()
    [1.0, 1.0]
    >>> augment.chain()
    chain()
    """
    fns = callables(Checks("chain"), fns)

    def apply(key: Key | None, x: Tree) -> Tree:
        for fn, fn_key in zip(fns, split(key, len(fns)), strict=True):
            x = fn(fn_key, x)
        return x

    return _Composed("chain", fns, apply)


def maybe(fn: Transform, prob: Number) -> Transform:
    """Apply a transform with probability `prob`, else leave x as it is; the key None leaves it.

    One draw decides for all of x: wrap the result in `per_example` to draw for each example.

    Args:
      fn: a function `(key, x) -> x` that keeps shapes and dtypes.
      prob: in [0, 1]; traced or not.

    Raises:
      ValueError: a concrete `prob` outside [0, 1]. A traced one spoils x, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> flip = augment.maybe(lambda key, x: -x, 1.0)
    >>> flip(jax.random.key(0), jnp.ones(2)).tolist(), flip(None, jnp.ones(2)).tolist()
    ([-1.0, -1.0], [1.0, 1.0])
    """
    check = Checks("maybe")
    (fn,) = callables(check, (fn,))
    check.valid_number("prob", prob, 0.0, 1.0)
    check.broadcastable("prob", prob, ())

    def apply(key: Key | None, x: Tree) -> Tree:
        if key is None:
            return x
        chance = check.rate("prob", prob)
        gate_key, fn_key = split(key)
        is_applied = keep_mask(gate_key, (), 1.0 - chance)
        words, to_key = keys.as_words(fn_key)
        y = lax.cond(is_applied, lambda: _same_type(check, fn(to_key(words), x), x), lambda: x)
        return jax.tree.map(lambda leaf: spoiled(jnp.asarray(leaf), chance), y)

    return _Composed("maybe", (fn, prob), apply)


def one_of(*fns: Transform) -> Transform:
    """Apply one of the transforms, each with the same probability; the key None applies the first, deterministically.

    One draw decides for all of x: wrap the result in `per_example` to draw for each example.

    Args:
      fns: functions `(key, x) -> x` that all give the same shapes and dtypes.

    Raises:
      ValueError: no transform.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> transform = augment.one_of(lambda key, x: x + 1.0, lambda key, x: x - 1.0)
    >>> abs(float(transform(jax.random.key(0), jnp.array(0.0))))
    1.0
    """
    check = Checks("one_of")
    if not fns:
        raise ValueError("one_of: fns must hold at least one transform; got none")
    fns = callables(check, fns)

    def apply(key: Key | None, x: Tree) -> Tree:
        if key is None:
            return fns[0](None, x)
        choice_key, fn_key = split(key)
        index = hash_bits(choice_key, ()) % len(fns)
        expected = jax.eval_shape(fns[0], fn_key, x)
        words, to_key = keys.as_words(fn_key)
        branches = [lambda fn=fn: _same_type(check, fn(to_key(words), x), expected) for fn in fns]
        return lax.switch(index.astype(jnp.int32), branches)

    return _Composed("one_of", fns, apply)


def per_example(fn: Transform) -> Transform:
    """Apply the transform `fn` to every example along the first axis of x's leaves, each under its own key.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> transform = augment.per_example(augment.maybe(lambda key, x: -x, 0.5))
    >>> sorted(set(transform(jax.random.key(0), jnp.ones((64, 1))).ravel().tolist()))
    [-1.0, 1.0]
    """
    check = Checks("per_example")
    (fn,) = callables(check, (fn,))

    def apply(key: Key | None, x: Tree) -> Tree:
        each_key = split_array(key, batch_size(check, "x", x))
        placed = each_key if each_key is None else placed_along(each_key, jax.tree.leaves(x)[0])
        return jax.vmap(fn, in_axes=(None if key is None else 0, 0))(placed, x)

    return _Composed("per_example", (fn,), apply)


def callables(check: Checks, fns: tuple[Any, ...]) -> tuple[Any, ...]:
    for fn in fns:
        if not callable(fn):
            raise TypeError(f"{check}: fn must be a function of (key, x); got {fn!r}")
    return fns


def _same_type(check: Checks, y: Tree, x: Tree) -> Tree:
    """Return y if it has x's structure, shapes and dtypes, which a choice made on the device needs."""
    got, expected = (jax.tree.map(_leaf_type, tree) for tree in (y, x))
    if got != expected:
        raise TypeError(f"{check}: fn must keep structure, shapes and dtypes; {expected} became {got}")
    return y


def _leaf_type(leaf: Any) -> str:
    return f"{jnp.result_type(leaf)}{list(jnp.shape(leaf))}"


def _shown(part: Any) -> str:
    """A part as its user would write it: a partial by its arguments, a function by its name."""
    if isinstance(part, partial):
        arguments = [*map(repr, part.args), *(f"{name}={value!r}" for name, value in part.keywords.items())]
        return f"{_shown(part.func)}({', '.join(arguments)})"
    return getattr(part, "__name__", repr(part))
