"""The validation of an epoch: the metrics of each batch on the device, and their mean on the host."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np

from ..._core.checks import Checks
from ..._core.types import Tree
from .._state import TrainState, Validated, judged
from .._step import Evaluate, Metrics


@partial(jax.jit, static_argnames="evaluate")
def evaluated(state: TrainState, batch: Tree, hyper: Tree, *, evaluate: Evaluate) -> Metrics:
    return evaluate(state, batch, hyper)


def to_judge(state: TrainState, validated: Validated | None) -> TrainState:
    """The state that is validated and kept as the best, see `fit`."""
    return state if validated is None else _judged(state, validated=validated)


@partial(jax.jit, static_argnames="validated")
def _judged(state: TrainState, *, validated: Validated) -> TrainState:
    return judged(Checks("run"), state, validated)


def weighted_mean(measured: list[tuple[int, Metrics]], epoch: int) -> dict[str, float]:
    """The mean over all examples: a short last batch counts for as many as it has."""
    if not measured:
        raise ValueError(
            f"run: valid_batches must yield at least one batch; in epoch {epoch} they yield none. "
            "A generator serves one epoch alone: pass a list, a loader, or a function of the epoch"
        )
    fetched, total = jax.device_get(measured), sum(count for count, _ in measured)
    mean = {name: sum(count * float(metrics[name]) for count, metrics in fetched) / total for name in fetched[0][1]}
    return {name: float(np.float32(value)) for name, value in mean.items()}
