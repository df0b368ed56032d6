"""What the host knows of a run without asking the device: where it is, and the means of every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .._checkpoints._history import History


@dataclass(kw_only=True)
class Record:
    """Where a run is, and its history. The counts of good and bad steps and their sums are the device's: see `Carry`.

    `taken` alone is counted on both sides: the device folds it into the key, and the host never waits to read it.
    """

    epoch: int
    position: int
    """The batches taken in this epoch."""
    taken: int
    """The batches taken in the whole run."""
    begun: int
    """Where `taken` started: the updates that the given state had seen."""
    num_good_before: int
    """The updates made in the previous epoch: 0 if it skipped every step."""
    place: str | None
    """The loader's own state after the last batch taken, if it has one."""
    history: History
    """Columns "train/..." and "valid/...", a row per epoch."""

    def means(self, kind: Literal["train", "valid"]) -> dict[str, list[float]]:
        """The columns of one kind, by the names of their metrics."""
        columns = self.history.columns.items()
        return {name.removeprefix(f"{kind}/"): values for name, values in columns if name.startswith(f"{kind}/")}
