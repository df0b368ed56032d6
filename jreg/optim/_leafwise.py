"""What every transformation here shares: a step count, strengths that may be schedules, and updates leaf by leaf."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from .._core import checks, dtypes, trees
from .._core.types import Strength, Tree, Where


class CountState(NamedTuple):
    """The number of updates made. The same for a number and for a schedule, so that one can become the other."""

    count: Int[Array, ""]


def init_count() -> CountState:
    return CountState(jnp.zeros((), jnp.int32))


def next_count(state: CountState) -> CountState:
    return CountState(jnp.asarray(optax.safe_increment(state.count)))


def check_strength(function: str, argument: str, strength: Strength) -> None:
    """Raise at once for a bad number; a schedule is checked where it is called."""
    if not callable(strength):
        checks.valid_number(function, argument, strength, low=0.0, ends="[)")


def strength_at(function: str, argument: str, strength: Strength, state: CountState) -> Float[Array, ""]:
    value = strength(state.count) if callable(strength) else strength
    return checks.broadcastable(function, argument, checks.number(function, argument, value, low=0.0, ends="[)"), ())


def leafwise(
    function: str,
    change: Callable[[Array, Array, Array], Array],
    strengths: Callable[[CountState], Float[Array, ""]],
    mask: Where,
) -> optax.GradientTransformation:
    """Make a transformation of `change(update, param, strength) -> update`, computed in float32 or wider.

    Leaves outside `mask`, and leaves that are None, stay as they are.
    """

    def init(params: Tree) -> CountState:
        trees.selection(function, mask, params, "mask")
        return init_count()

    def update(updates: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, CountState]:
        params = required(function, params)
        changed = change_selected(function, change, updates, params, strengths(state), mask)
        return changed, next_count(state)

    return optax.GradientTransformation(init, update)


def change_selected(
    function: str,
    change: Callable[[Array, Array, Array], Array],
    updates: Tree,
    params: Tree,
    strength: Float[Array, ""],
    mask: Where,
) -> Tree:
    trees.same_structure(function, "updates", updates, params)
    taken = trees.selection(function, mask, params, "mask")

    def change_leaf(update: Any, param: Any, is_taken: bool) -> Any:
        if not is_taken:
            return update
        update, param = jnp.asarray(update), jnp.asarray(param)
        wide = dtypes.widened(param.dtype)
        scalar = strength.astype(dtypes.real(wide))
        changed = change(update.astype(wide), param.astype(wide), scalar.astype(wide))
        # A narrow update would not reach an exact zero of a wider weight.
        return changed.astype(dtypes.finer(update.dtype, param.dtype))

    return jax.tree.map(change_leaf, updates, params, taken)


def required(function: str, params: Tree | None) -> Tree:
    if params is None:
        raise ValueError(f"{function}: params must be given to update, as in update(grads, state, params); got None")
    return params
