"""Which checkpoint to read: the newest whole one, past damaged ones and beside a writer that may delete it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from . import _folders
from ._damage import DamagedError

T = TypeVar("T")
ATTEMPTS = 100


def read_newest(directory: Path, step: int | None, damaged: set[Path], read: Callable[[Path, int], T]) -> T:
    """Read the checkpoint of a step, or the newest one that is whole; add what is damaged on the way to `damaged`.

    If a writer deletes or replaces a checkpoint while it is read, the search starts anew.

    Raises:
      FileNotFoundError: there is none, or none that stays.
      ValueError: all are damaged.
    """
    reasons: dict[Path, str] = {}
    for _ in range(ATTEMPTS):
        number, folder = _candidate(directory, step, reasons)
        before = _folders.identity(folder)
        try:
            found = read(folder, number)
        except (DamagedError, OSError) as error:
            if before is None or _folders.identity(folder) != before:
                continue
            if not isinstance(error, DamagedError):
                raise
            damaged.add(folder)
            reasons[folder] = f"step {number}: {error}"
            continue
        if before is None or _folders.identity(folder) != before:
            continue
        if reasons:
            listed = "; ".join(reasons.values())
            warnings.warn(f"restore: took step {number}, since later ones are damaged. {listed}", stacklevel=4)
        return found
    raise FileNotFoundError(f"restore: {directory} must hold a checkpoint that stays; {ATTEMPTS} were deleted")


def _candidate(directory: Path, step: int | None, reasons: dict[Path, str]) -> tuple[int, Path]:
    # A listing made while a writer renames one folder and deletes another may show neither.
    folders = next(filter(None, (_folders.listed(directory) for _ in range(3))), {})
    wanted = folders if step is None else {number: folder for number, folder in folders.items() if number == step}
    left = {number: folder for number, folder in wanted.items() if folder not in reasons}
    if left:
        return max(left.items())
    if reasons:
        raise ValueError(f"restore: every checkpoint asked for is damaged. {'; '.join(reasons.values())}")
    name = "a checkpoint" if step is None else f"step {step}"
    raise FileNotFoundError(f"restore: {directory} must hold {name}; it holds {sorted(folders)}")
