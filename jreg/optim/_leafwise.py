"""What all transformations here share: a step count, strengths that may be schedules, and updates leaf by leaf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from .._core import dtypes, trees
from .._core.checks import Checks
from .._core.types import Mask, Strength, Tree


class CountState(NamedTuple):
    """The number of updates made. It is the same for a number and a schedule, so that one can replace the other."""

    count: Int[Array, ""]


def increment(count: Int[Array, ""]) -> Int[Array, ""]:
    return jnp.asarray(optax.safe_increment(count))


def leafwise(
    check: Checks,
    change: Callable[..., Array],
    mask: Mask,
    strengths: Mapping[str, Strength],
    *,
    axis: Any = None,
    beside: Callable[[Tree], Tree] | None = None,
    replaces: bool = False,
) -> optax.GradientTransformation:
    """Make a transformation from `change(update, param, *strengths) -> update`, computed in float32 or wider.

    The strengths, each under its name, are numbers, schedules or trees of these. Leaves outside `mask`, and leaves that
    are None, stay as they are. The others must have `axis`, if it is given. `beside(params)` gives one more tree, which
    `change` takes before the strengths. For `replaces` see `change_taken`.
    """
    check_strengths(check, strengths)

    def prepare(params: Tree) -> tuple[Tree, list[Tree]]:
        taken = trees.selection(check, mask, params, elementwise=True)
        if axis is not None:
            trees.check_axes(check, axis, taken, params)
        return taken, [] if beside is None else [beside(params)]

    def init(params: Tree) -> CountState:
        prepare(params)
        return CountState(jnp.zeros((), jnp.int32))

    def update(updates: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, CountState]:
        params = required(check, params)
        trees.same_structure(check, "updates", updates, params)
        taken, others = prepare(params)
        others += strengths_at(check, state.count, params, strengths)
        changed = change_taken(check, change, taken, updates, params, *others, replaces=replaces)
        return changed, CountState(increment(state.count))

    return optax.GradientTransformation(init, update)


def change_taken(
    check: Checks,
    change: Callable[..., Array],
    taken: Tree,
    updates: Tree,
    params: Tree,
    *others: Tree,
    replaces: bool = False,
) -> Tree:
    """Apply `change(update, param, *others)` to the leaves and elements that are `taken`, leaf by leaf.

    With `replaces`, the update aims at a value for the weight, and in 16 bits it may miss it entirely: in bfloat16
    300 - 299.5 is 0. Such updates stay float32 or wider, so that only the new weight is rounded.
    """

    def change_leaf(update: Any, param: Any, is_taken: Any, *others: Any) -> Any:
        if is_taken is False:
            return update
        update, param = jnp.asarray(update), jnp.asarray(param)
        wide = dtypes.widened(param.dtype)
        changed = change(*(jnp.asarray(leaf).astype(wide) for leaf in (update, param, *others)))
        # A narrow update would not reach an exact zero of a wider weight.
        changed = changed.astype(dtypes.finer(update.dtype, wide if replaces else param.dtype))
        if is_taken is True:
            return changed
        is_taken = check.broadcastable("mask", is_taken, param.shape)
        return jnp.where(is_taken, changed, update.astype(changed.dtype))

    return jax.tree.map(change_leaf, updates, params, taken, *others)


def required(check: Checks, params: Tree | None) -> Any:
    if params is None:
        raise ValueError(f"{check}: params must be given to update, as in update(grads, state, params); got None")
    return params


def check_strengths(check: Checks, strengths: Mapping[str, Strength]) -> None:
    """Raise at once for a bad number; a schedule is checked where it is called."""
    for argument, strength in strengths.items():
        for value in [strength] if strength is None else jax.tree.leaves(strength):
            if not trees.is_function(value):
                check.valid_scalar(argument, value, low=0.0, ends="[)")


def strengths_at(check: Checks, count: Array, params: Tree, strengths: Mapping[str, Strength]) -> list[Tree]:
    """The strengths of this update, each as a tree with one scalar for every leaf of `params`."""

    def at_count(argument: str, value: Any) -> Float[Array, ""]:
        value = value(count) if trees.is_function(value) else value
        return check.scalar(argument, value, low=0.0, ends="[)")

    return [
        trees.prefixed(check, argument, jax.tree.map(partial(at_count, argument), strength), params)
        for argument, strength in strengths.items()
    ]
