"""What a run is asked to do, and where it is."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from ..._core.types import Key, Tree
from .._checkpoints import Checkpoints
from .._checkpoints._history import History
from .._step import Evaluate, Step
from ._batches import Batches
from ._progress import Event


class Plan(NamedTuple):
    """What a run is asked to do."""

    step: Step
    evaluate: Evaluate
    key: Key
    train_batches: Batches
    valid_batches: Batches
    hyper: Tree
    epochs: int
    checkpoints: Checkpoints | None
    resume: str
    patience: float
    min_delta: float
    monitor: str
    mode: Any
    non_finite: str
    callback: Callable[[Event], Any] | None
    save_every: int | None
    log_every: int
    steps_per_epoch: int | None
    sharding: Any


@dataclass
class Story:
    """Where a run is: what it has done, in numbers that JSON keeps exactly, and the means of every epoch."""

    epoch: int = 0
    position: int = 0
    taken: int = 0
    begun: int = 0
    num_bad: int = 0
    num_good: int = 0
    num_good_before: int = 1
    """How many steps of the epoch before were taken: all others were skipped."""
    sums: dict[str, float] = field(default_factory=dict)
    history: History = field(default_factory=History)
    """Columns "train/..." and "valid/...", a row per epoch."""

    def means(self, kind: str) -> dict[str, list[float]]:
        """The columns of one kind, by the names of their metrics."""
        columns = self.history.columns.items()
        return {name.removeprefix(f"{kind}/"): values for name, values in columns if name.startswith(f"{kind}/")}


def as_notes(story: Story) -> dict[str, Any]:
    """All but the history, which is stored in parts."""
    return {one.name: getattr(story, one.name) for one in fields(story) if one.name != "history"}


def from_notes(notes: dict[str, Any]) -> Story:
    """The story without its history.

    Raises:
      ValueError: the notes are others.
    """
    names = {one.name for one in fields(Story)} - {"history"}
    counts = [value for name, value in notes.items() if name != "sums"]
    if notes.keys() != names or not all(type(value) is int for value in counts) or type(notes["sums"]) is not dict:
        raise ValueError("not the notes of a run")
    return Story(**notes)
