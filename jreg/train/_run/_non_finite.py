"""NaN and infinity: how the device finds them in a step, and what the host does then."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from .._state import TrainState
from .._step import Metrics

NonFinite: TypeAlias = Literal["raise", "skip", "stop"]


class DivergedError(Exception):
    """The run met numbers that are not finite, and stops there."""


def is_sound(state: TrainState, metrics: Metrics) -> Bool[Array, ""]:
    """Whether the loss and the parameters are finite and nothing else is NaN: some optimizers start from infinity."""
    strict = [metrics.get("loss", 0.0), *jax.tree.leaves(state.params)]
    lenient = jax.tree.leaves((state.opt_state, state.model_state))
    checks = [jnp.all(jnp.isfinite(leaf)) for leaf in strict if _is_inexact(leaf)]
    checks += [~jnp.any(jnp.isnan(leaf)) for leaf in lenient if _is_inexact(leaf)]
    return jnp.all(jnp.stack(checks)) if checks else jnp.array(True)


def require_finite(first_bad: int, non_finite: NonFinite, epoch: int) -> None:
    """Act on the first bad step, if there is one: -1 means none.

    Raises:
      FloatingPointError: if asked to raise.
      DivergedError: if asked to stop.
    """
    if first_bad < 0 or non_finite == "skip":
        return
    if non_finite == "raise":
        raise FloatingPointError(
            f"run: the loss, the parameters or the states must be finite; step {first_bad} (counted from 0, in or "
            f"before epoch {epoch}) gave some that are not. Its key is fold_in(key, {first_bad})"
        )
    raise DivergedError


def _is_inexact(leaf: Any) -> bool:
    return jnp.issubdtype(getattr(leaf, "dtype", float), jnp.inexact)
