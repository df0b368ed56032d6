"""Restore: one checkpoint, from its folder into the form of a template."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ..._core.types import Tree
from . import _history, _leaves, _manifest
from ._damage import require_undamaged
from ._storage import read_arrays


class Checkpoint(NamedTuple):
    """What one checkpoint holds.

    Attributes:
      state: the state in the form of the template.
      step: the step that it was saved at.
      metrics: the metrics that were saved beside it.
      notes: the notes that were saved beside it.
      history: the columns that were saved beside it, by name.
    """

    state: Tree
    step: int
    metrics: dict[str, float]
    notes: Any
    history: dict[str, np.ndarray]


def read(folder: Path, step: int, template: Tree, at: str) -> Checkpoint:
    """Read a checkpoint that is whole, in the form of a template."""
    manifest = _manifest.read(folder, step)
    if jax.process_index() == 0:
        require_undamaged(folder, manifest["files"])
    saved, wanted = _leaves.below(manifest["leaves"], at), _leaves.describe(template)
    wrong = _leaves.differences(list(saved.values()), wanted)
    if wrong:
        listed = "\n  ".join(wrong)
        raise ValueError(f"restore: template must match the checkpoint of step {step} in {folder}:\n  {listed}")
    _leaves.require_wide(template)
    numbers = _leaves.numbers_of(saved, wanted)
    arrays = read_arrays(folder, _leaves.numbered(template, numbers), saved)
    state = _leaves.rebuilt(template, numbers, saved, arrays)
    history = _history.read(folder, **manifest["history"])
    return Checkpoint(state, step, manifest["metrics"], manifest["notes"], history)


def require_whole(folder: Path, step: int) -> int:
    """Return the step of a checkpoint that is whole."""
    require_undamaged(folder, _manifest.read(folder, step)["files"])
    return step
