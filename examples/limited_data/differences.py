"""Differences of test bits per byte, paired by seed, with their 95 % intervals."""

from typing import Any, NamedTuple

import numpy as np

from ..intervals import interval
from .cells import KINDS, Grid, Setting, alone, cell_name, ensemble_name


class Estimate(NamedTuple):
    """A mean over seeds and half of its 95 % interval."""

    mean: float
    half: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.half:.3f}"

    @property
    def signed(self) -> str:
        return f"{self.mean:+.3f} ± {self.half:.3f}"

    @property
    def verdict(self) -> str:
        """Of a difference in bits: less is better, and an interval that holds 0 decides nothing."""
        if self.mean + self.half < 0.0:
            return "pays"
        return "hurts" if self.mean - self.half > 0.0 else "undecided"

    @property
    def verdict_in_words(self) -> str:
        return {"undecided": "neither pays nor hurts for sure"}.get(self.verdict, self.verdict)


def estimate(scores: Any) -> Estimate:
    return Estimate(float(np.mean(scores)), interval(scores))


def difference(scores: Any, reference: Any) -> Estimate:
    return estimate(np.subtract(scores, reference))


def scores_of(cells: dict[str, Any], passes: int, setting: Setting, at: str = "test") -> list[float]:
    """By seed, at the best check ("test") or at the end ("test_last")."""
    return cells[cell_name(passes, setting)][at]


def against_none(cells: dict[str, Any], passes: int, setting: Setting, at: str = "test") -> Estimate:
    """The difference to the run without a regularizer, whose epoch is chosen too."""
    return difference(scores_of(cells, passes, setting, at), scores_of(cells, passes, Setting()))


def members_bits(cells: dict[str, Any], passes: int, kind: str) -> dict[int, list[float]]:
    """By the number of members: the test bits of ensembles by seed."""
    return {int(size): scores for size, scores in cells[ensemble_name(passes, kind)]["test"].items()}


def student_bits(cells: dict[str, Any], passes: int, kind: str) -> tuple[Setting, list[float]]:
    """The student that validation chose: its setting, and its test bits by seed."""
    students = cells[ensemble_name(passes, kind)]["students"].values()
    best = min(students, key=lambda student: np.mean(student["best_valid"]))
    return Setting(**best["setting"]), best["test"]


def passes_in(record: dict[str, Any]) -> tuple[int, ...]:
    """The numbers of passes for which the record has every lever alone."""
    grid, cells = Grid(**record["asked"]["grid"]), record["cells"]
    return tuple(p for p in grid.passes if all(cell_name(p, setting) in cells for setting in alone(grid)))


def ensembles_at(record: dict[str, Any]) -> list[int]:
    """The numbers of passes for which the record has all ensembles."""
    passes = sorted(record["asked"]["grid"]["ensemble_passes"])
    return [p for p in passes if all(ensemble_name(p, kind) in record["cells"] for kind in KINDS)]
