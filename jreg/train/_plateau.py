"""A learning rate that falls when validation stops improving, as part of the optimizer's state."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from .._core.checks import Checks
from .._core.types import Number, Tree
from ._stopping import as_scalar


class PlateauSettings(NamedTuple):
    """The arguments of `reduce_on_plateau`, where `update_plateau` finds them."""

    factor: Float[Array, ""]
    patience: Float[Array, ""]
    rtol: Float[Array, ""]
    atol: Float[Array, ""]
    cooldown: Float[Array, ""]
    min_scale: Float[Array, ""]


class PlateauState(NamedTuple):
    """The factor on the updates, the best value (infinity at first), bad checks in a row, checks of rest left."""

    scale: Float[Array, ""]
    best_value: Float[Array, ""]
    num_bad: Int[Array, ""]
    rest: Float[Array, ""]
    settings: PlateauSettings


def reduce_on_plateau(
    factor: Number,
    patience: Number,
    *,
    rtol: Number = 1e-4,
    atol: Number = 0.0,
    cooldown: Number = 0,
    min_scale: Number = 0.0,
) -> optax.GradientTransformation:
    """Scale updates by a number that falls by `factor` when the monitored validation metric stops improving.

    `fit` and `run` tell it the metric once per epoch, after the validation; a loop of your own calls `update_plateau`.
    A value v is better than the best b if it beats it by more than rtol * |b| + atol, in the direction of `mode`. NaN
    is never better. At the `patience`-th epoch in a row that is not better,

        scale <- max(factor * scale, min_scale)

    and for `cooldown` epochs none counts. That is `ReduceLROnPlateau` of torch, where `patience` is one less. Put it
    last in the chain; `optax.tree.get(opt_state, "scale")` reads the scale. `optax.contrib.reduce_on_plateau` judges by
    the training loss of every step instead.

    Args:
      factor: in [0, 1].
      patience: at least 1; a lower one acts as 1, infinity never reduces.
      rtol: at least 0, as a share of the best value.
      atol: at least 0.
      cooldown: epochs of rest after each fall, at least 0.
      min_scale: the scale falls no lower, at least 0.

    Raises:
      ValueError: a concrete number outside its range. A traced one makes the scale NaN.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import train
    >>> optimizer = optax.chain(optax.sgd(0.1), train.reduce_on_plateau(0.5, patience=2))
    >>> opt_state, scales = optimizer.init(jnp.ones(2)), []
    >>> for loss in [1.0, 0.5, 0.6, 0.5, 0.4]:
    ...     opt_state = train.update_plateau(opt_state, loss)
    ...     scales.append(float(optax.tree.get(opt_state, "scale")))
    >>> scales
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """
    check = Checks("reduce_on_plateau")
    numbers = {"patience": patience, "rtol": rtol, "atol": atol, "cooldown": cooldown, "min_scale": min_scale}
    check.valid_scalar("factor", factor, 0.0, 1.0)
    for argument, number in numbers.items():
        check.valid_scalar(argument, number, 0.0)

    def settings() -> PlateauSettings:
        others = {argument: check.scalar(argument, number, 0.0) for argument, number in numbers.items()}
        return PlateauSettings(factor=check.scalar("factor", factor, 0.0, 1.0), **others)

    def init(params: Tree) -> PlateauState:
        del params
        one = jnp.ones((), float)
        return PlateauState(one, one * jnp.inf, jnp.zeros((), jnp.int32), 0.0 * one, settings())

    def update(updates: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, PlateauState]:
        del params
        state = state._replace(settings=settings())
        scale = _spoiled(state.scale, state.settings)
        return jax.tree.map(lambda leaf: leaf * scale.astype(leaf.dtype), updates), state

    return optax.GradientTransformation(init, update)


def update_plateau(opt_state: Tree, value: Number, *, mode: Literal["min", "max"] = "min") -> Tree:
    """Tell every `reduce_on_plateau` in the state of an optimizer the value of one check; `fit` and `run` do it.

    Args:
      opt_state: the state of an optimizer, in which they may be chained, wrapped or masked; without one it stays as it
        is.
      value: a scalar measured on the params, such as a validation loss.
      mode: whether lower ("min") or higher ("max") is better.

    Raises:
      ValueError: another mode.
      TypeError: a value that is no real scalar.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import train
    >>> opt_state = train.reduce_on_plateau(0.5, patience=1).init(jnp.ones(2))
    >>> for accuracy in [0.8, 0.7]:
    ...     opt_state = train.update_plateau(opt_state, accuracy, mode="max")
    >>> float(opt_state.scale)
    0.5
    """
    Checks("update_plateau").choice("mode", mode, ("min", "max"))
    value = as_scalar("update_plateau", value)

    def told(node: Any) -> Any:
        return _told(node, value if mode == "min" else -value) if _is_plateau(node) else node

    return jax.tree.map(told, opt_state, is_leaf=_is_plateau)


def has_plateau(opt_state: Tree) -> bool:
    return any(map(_is_plateau, jax.tree.leaves(opt_state, is_leaf=_is_plateau)))


def _is_plateau(node: Any) -> bool:
    return isinstance(node, PlateauState)


def _told(state: PlateauState, value: Float[Array, ""]) -> PlateauState:
    factor, patience, rtol, atol, cooldown, min_scale = state.settings
    value, best = value.astype(state.best_value.dtype), state.best_value
    with jax.debug_nans(False):
        is_better = jnp.isinf(best) | (best - value > rtol * jnp.abs(best) + atol)
    is_better = is_better & (value < best)
    num_bad = jnp.where(is_better | (state.rest > 0.0), 0, state.num_bad + 1)
    falls = num_bad.astype(patience.dtype) >= jnp.maximum(patience, 1.0)
    scale = jnp.where(falls, jnp.maximum(factor * state.scale, min_scale), state.scale)
    return state._replace(
        scale=_spoiled(scale, state.settings),
        best_value=jnp.where(is_better, value, best),
        num_bad=jnp.where(falls, 0, num_bad),
        rest=jnp.where(falls, cooldown, jnp.maximum(state.rest - 1.0, 0.0)),
    )


def _spoiled(scale: Float[Array, ""], settings: PlateauSettings) -> Float[Array, ""]:
    """NaN where a traced setting is out of its range, and so NaN itself."""
    return jnp.where(jnp.isnan(jnp.stack(settings)).any(), jnp.nan, scale)
