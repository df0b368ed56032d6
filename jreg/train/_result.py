"""A run so far: what `fit` returns, and goes on from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ._state import TrainState
from ._step import Metrics
from ._stopping import Stopping


class FitResult(NamedTuple):
    """A run so far: its end, its decisions, its history. `fit` continues it when it is given as `state`.

    Attributes:
      last: the state at the end.
      stopping: the best value, the state that gave it, and the count of bad epochs.
      train_history: the mean of each metric of the step, per epoch, by the metric "weight" or else by the rows of each
        batch; NaN after the stop.
      valid_history: each validation metric, per epoch; NaN after the stop.
    """

    last: TrainState
    stopping: Stopping
    train_history: dict[str, Float[Array, "*lanes epochs"]]
    valid_history: dict[str, Float[Array, "*lanes epochs"]]

    @property
    def best(self) -> TrainState:
        """The state of the epoch with the best monitored value; the initial state if every value was NaN.

        Its `opt_state` is () unless `fit` was called with `keep_opt_state`.
        """
        return self.stopping.best_params

    @property
    def best_value(self) -> Float[Array, "*lanes"]:
        """The best monitored value; NaN if every value was NaN."""
        return self.stopping.best_value

    @property
    def best_epoch(self) -> Int[Array, "*lanes"]:
        """The epoch of the best value, counted from 0; -1 if every value was NaN."""
        return self.stopping.best_step

    @property
    def stopped_epoch(self) -> Int[Array, "*lanes"]:
        """The number of epochs run."""
        return self.stopping.num_checks

    @property
    def best_metrics(self) -> dict[str, Float[Array, "*lanes"]]:
        """Each validation metric at the best epoch; NaN if every monitored value was NaN."""
        return {name: _at_epoch(values, self.best_epoch) for name, values in self.valid_history.items()}


def continued(result: FitResult, started: Callable[[TrainState], FitResult]) -> FitResult:
    """The result, if this call records the same metrics and keeps the same state as the one that made it."""
    expected = jax.eval_shape(started, result.last)
    for argument in ("train_history", "valid_history"):
        found, wanted = (sorted(getattr(one, argument)) for one in (result, expected))
        if found != wanted:
            raise ValueError(f"fit: state must have the metrics {wanted} in its {argument}; got {found}")
    if jax.tree.structure(result.stopping) != jax.tree.structure(expected.stopping):
        raise ValueError(
            "fit: state must have a best state as this call keeps it; got one of another structure. Give "
            "validated and keep_opt_state as in the call that made it"
        )
    return result


def extended(progress: FitResult, epochs: int) -> FitResult:
    """The run with room for more epochs in its histories."""
    with jax.debug_nans(False):
        room = jnp.full(epochs, jnp.nan, jnp.float32)
        past = progress.train_history, progress.valid_history
        histories = jax.tree.map(lambda values: jnp.concatenate([values, room]), past)
    return FitResult(progress.last, progress.stopping, *histories)


def recorded(history: dict[str, Array], metrics: Metrics, epoch: Array) -> dict[str, Array]:
    return {name: values.at[epoch].set(jnp.asarray(metrics[name], values.dtype)) for name, values in history.items()}


def _at_epoch(values: Float[Array, "*lanes epochs"], epoch: Int[Array, "*lanes"]) -> Float[Array, "*lanes"]:
    found = jnp.take_along_axis(values, jnp.maximum(epoch, 0)[..., None], axis=-1)[..., 0]
    return jnp.where(epoch < 0, jnp.nan, found)
