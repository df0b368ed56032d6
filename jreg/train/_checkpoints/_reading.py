"""One checkpoint, from its folder into the form of a template."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ..._core.types import Tree
from . import _history, _leaves, _manifest
from ._storage import read_arrays


class Checkpoint(NamedTuple):
    """What one checkpoint holds."""

    state: Tree
    step: int
    metrics: dict[str, float]
    notes: Any
    history: dict[str, np.ndarray]


def read(folder: Path, step: int, template: Tree, at: str) -> Checkpoint:
    """Read a checkpoint that is whole, in the form of a template."""
    manifest = _manifest.read(folder, step)
    if jax.process_index() == 0:
        _manifest.verify(folder, manifest)
    saved = _leaves.below(manifest["leaves"], at)
    wrong = _leaves.differences(list(saved.values()), _leaves.describe(template))
    if wrong:
        listed = "\n  ".join(wrong)
        raise ValueError(f"restore: template must match the checkpoint of step {step} in {folder}:\n  {listed}")
    _leaves.require_wide(template)
    arrays = read_arrays(folder, _leaves.wanted(template, saved), saved)
    state = _leaves.rebuilt(template, saved, arrays)
    history = _history.read(folder, **manifest["history"])
    return Checkpoint(state, step, manifest["metrics"], manifest["notes"], history)


def require_whole(folder: Path, step: int) -> int:
    """Return the step of a checkpoint that is whole."""
    _manifest.verify(folder, _manifest.read(folder, step))
    return step
