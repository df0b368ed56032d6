"""Updates too small for 16 bits: 1 - 1e-5 is 1 in bfloat16, so a weak decay or a low learning rate vanishes silently.

Both wrappers run the whole inner optimizer in float32 and differ in where they keep the digits that 16 bits lose: in a
copy of the weights, or in the odds of rounding up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Inexact, Int

from .._core import dtypes, trees
from .._core.checks import Checks
from .._core.placement import placed_like
from .._core.types import Key, Tree
from ..random import fold_in, keep_mask, split
from ._leafwise import increment, required


class Float32CopyState(NamedTuple):
    """The wrapped optimizer's state, and the weights with all their digits."""

    inner: Any
    copy: Tree


class StochasticRoundingState(NamedTuple):
    """The wrapped optimizer's state, and the number of updates made."""

    inner: Any
    count: Int[Array, ""]


def with_float32_copy(inner: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """Train a float32 copy of 16-bit weights, and set the weights to the rounded copy.

    Put it around the whole chain. It costs four bytes per weight; the state of `inner` is float32 as well. Only the
    copy is trained: the next update overwrites weights that were changed from outside. Updates of 16-bit weights come
    out in float32, and `optax.apply_updates` rounds only the new weights; `optax.apply_if_finite`, which requires that
    they keep their dtype, belongs inside.

    Raises:
      ValueError: updates that do not have the structure and shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optim.with_float32_copy(optim.with_decoupled_decay(optax.sgd(0.1), 1e-5))
    >>> w = jnp.ones(1, jnp.bfloat16)
    >>> updates, state = optimizer.update(jnp.zeros_like(w), optimizer.init(w), w)
    >>> f"{state.copy[0]:.6f}"
    '0.999990'

    Micikevicius et al., Mixed Precision Training, ICLR 2018.
    """
    check = Checks("with_float32_copy")
    inner = optax.with_extra_args_support(check.transformation("inner", inner))

    def init(params: Tree) -> Float32CopyState:
        copy = widened_copy(params)
        return Float32CopyState(inner.init(copy), copy)

    def update(updates: Tree, state: Any, params: Tree | None = None, **extra: Any) -> tuple[Tree, Float32CopyState]:
        params = required(check, params)
        trees.same_structure(check, "updates", updates, params)
        wide, inner_state = inner.update(widened_copy(updates), state.inner, state.copy, **extra)
        copy = optax.apply_updates(state.copy, wide)
        return _steps_between(params, copy), Float32CopyState(inner_state, copy)

    return optax.GradientTransformationExtraArgs(init, update)


def with_stochastic_rounding(
    inner: optax.GradientTransformation, key: Key | None
) -> optax.GradientTransformationExtraArgs:
    """Round 16-bit weights up or down at random after each step, so that on average no update is lost.

    Put it around the whole chain. A weight between two 16-bit numbers becomes the upper one with a probability
    proportional to its distance from the lower one. It costs no memory, whereas `with_float32_copy` costs four bytes
    per weight. Updates come out in float32, as they do there. The derivative of the rounding is taken to be 1, its
    average.

    Args:
      inner: the whole optimizer.
      key: one key, used only here: update i draws from `fold_in(key, i)`. None rounds to the nearest.

    Raises:
      ValueError: updates that do not have the structure and shapes of params, or no params.

    >>> import jax, jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> decayed = optim.with_decoupled_decay(optax.sgd(0.1), 1e-3)
    >>> optimizer = optim.with_stochastic_rounding(decayed, jax.random.key(0))
    >>> w = jnp.ones(10_000, jnp.bfloat16)
    >>> updates, state = optimizer.update(jnp.zeros_like(w), optimizer.init(w), w)
    >>> round(float(jnp.mean(w.astype(jnp.float32) + updates)), 4)
    0.999

    Gupta et al., Deep Learning with Limited Numerical Precision, ICML 2015.
    """
    check = Checks("with_stochastic_rounding")
    inner = optax.with_extra_args_support(check.transformation("inner", inner))
    key = None if key is None else check.key(key)

    def init(params: Tree) -> StochasticRoundingState:
        return StochasticRoundingState(inner.init(widened_copy(params)), jnp.zeros((), jnp.int32))

    def update(
        updates: Tree, state: Any, params: Tree | None = None, **extra: Any
    ) -> tuple[Tree, StochasticRoundingState]:
        params = required(check, params)
        trees.same_structure(check, "updates", updates, params)
        before = widened_copy(params)
        wide, inner_state = inner.update(widened_copy(updates), state.inner, before, **extra)
        targets, structure = jax.tree.flatten(optax.apply_updates(before, wide))
        keys = split(fold_in(key, state.count), len(targets))
        rounded = jax.tree.unflatten(structure, map(_rounded, keys, targets, jax.tree.leaves(params)))
        return _steps_between(params, rounded), StochasticRoundingState(inner_state, increment(state.count))

    return optax.GradientTransformationExtraArgs(init, update)


def widened_copy(tree: Tree) -> Tree:
    """Copy floats to float32 or wider, in new buffers: an alias of the params could not be donated with them."""

    def widen(leaf: Any) -> Array:
        leaf = jnp.asarray(leaf)
        is_float = jnp.issubdtype(leaf.dtype, jnp.inexact)
        return jnp.array(leaf, dtypes.widened(leaf.dtype) if is_float else leaf.dtype, copy=True)

    return jax.tree.map(widen, tree)


def _steps_between(params: Tree, targets: Tree) -> Tree:
    """The updates that lead from each weight to the target rounded to its dtype, in the wide dtype of the target.

    In 16 bits a long step would itself be rounded, and miss the target.
    """

    def step(param: Any, target: Array) -> Array:
        param = jnp.asarray(param)
        return target.astype(param.dtype).astype(target.dtype) - param.astype(target.dtype)

    return jax.tree.map(step, params, targets)


@jax.custom_jvp
def _straight_through(wide: Array, rounded: Array) -> Array:
    """The rounded number, with the derivative of the wide one: on average over the draws they are the same."""
    return rounded


@_straight_through.defjvp
def _straight_through_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return primals[1], tangents[0]


def _rounded(key: Key | None, wide: Inexact[Array, "..."], param: Any) -> Array:
    """Round to the nearest number of the narrow dtype or the next on the other side, with odds by the distances."""
    dtype = jnp.asarray(param).dtype
    if key is None or dtype == wide.dtype:
        return wide
    given, wide = wide, lax.stop_gradient(wide)
    # A compiler may remove a conversion there and back; the barrier keeps the rounding.
    nearest = lax.optimization_barrier(wide.astype(dtype))
    rest = wide - nearest.astype(wide.dtype)
    other = jnp.nextafter(nearest, jnp.where(rest > 0, jnp.inf, -jnp.inf).astype(dtype))
    share = jnp.abs(rest) / jnp.abs(other.astype(wide.dtype) - nearest.astype(wide.dtype))
    share = jnp.where(jnp.isfinite(share), share, 0.0)
    is_nearest = placed_like(keep_mask(key, wide.shape, share), wide)
    rounded = jnp.where(is_nearest, nearest, other).astype(wide.dtype)
    return _straight_through(given, rounded)
