"""What a run is asked to do: the arguments of `run`, checked."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ..._core.types import Key, Tree
from .._checkpoints import Checkpoints
from .._event import Callback
from .._state import Validated
from .._step import Evaluate, Step
from ._batches import Batches
from ._non_finite import NonFinite


class Plan(NamedTuple):
    """The arguments of `run`, checked."""

    step: Step
    evaluate: Evaluate
    key: Key
    train_batches: Batches
    valid_batches: Batches
    hyper: Tree
    epochs: int
    checkpoints: Checkpoints | None
    resume: Literal["same", "anyway"]
    patience: float
    min_delta: float
    monitor: str
    mode: Literal["min", "max"]
    warmup: float
    baseline: float | None
    smoothing: float
    validated: Validated | None
    non_finite: NonFinite
    callbacks: tuple[Callback, ...]
    save_every: int | None
    log_every: int
    steps_per_epoch: int | None
    sharding: Any
