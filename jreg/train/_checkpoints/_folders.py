"""The names in a directory of checkpoints, and the order of renames and deletions that keeps one of them whole.

step_00000012             whole, since it is renamed to this name when it is complete and on the disk
step_00000012.tmp         being written
step_00000012.replaced    the former one of that step, which counts until the new one has its name
step_00000012.gone        being deleted
step_00000012.damaged     found damaged by a restore, set aside by the next save
"""

import os
import re
import shutil
import time
from collections.abc import Collection
from itertools import count
from pathlib import Path

from ._manifest import sync_directory

SAVED = re.compile(r"step_(\d+)(\.replaced)?")
LEFT_OVER = re.compile(r"step_\d+(\.\d+\.tmp|\.gone)")
ATTEMPTS = count(1)


def listed(directory: Path) -> dict[int, Path]:
    """The folder of every step that was saved."""
    paths = sorted(directory.iterdir(), reverse=True) if directory.is_dir() else []
    matches = [(SAVED.fullmatch(path.name), path) for path in paths]
    # A name sorts before the same name with a suffix, so it comes later here and wins.
    return {int(match[1]): path for match, path in matches if match and path.is_dir()}


def temporary(directory: Path, step: int) -> Path:
    """Where a step is written: a new name each time, since threads of a failed save may still be writing to the old."""
    return directory / f"{_name(step)}.{next(ATTEMPTS)}.tmp"


def prepare(directory: Path, step: int, damaged: set[Path]) -> None:
    """Clear away what killed saves left and what is known to be damaged, and refuse a step before the latest.

    Raises:
      ValueError: there are later steps.
    """
    latest = max((number for number, path in listed(directory).items() if path not in damaged), default=-1)
    if step < latest:
        raise ValueError(f"save: step must be at least {latest}, the latest in {directory}; got {step}")
    for path in damaged & set(listed(directory).values()):
        _remove(path.with_suffix(".damaged"))
        os.rename(path, path.with_suffix(".damaged"))
    for path in directory.iterdir():
        if LEFT_OVER.fullmatch(path.name):
            discard(path)
    for path in directory.glob("step_*.replaced"):
        if path.with_suffix("").exists():
            _remove(path)
        else:
            os.rename(path, path.with_suffix(""))
    damaged.clear()


def commit(written: Path, step: int) -> None:
    """Give a complete folder its name, and make that last."""
    final = written.with_name(_name(step))
    replaced = final.with_suffix(".replaced")
    if final.exists():
        os.rename(final, replaced)
    os.rename(written, final)
    sync_directory(written.parent)
    _remove(replaced)


def discard(written: Path) -> None:
    """Delete what a failed save left, though threads of it may still be writing: the next save deletes the rest."""
    for _ in range(20):
        shutil.rmtree(written, ignore_errors=True)
        if not written.exists():
            return
        time.sleep(0.02)


def prune(directory: Path, kept: Collection[int | None]) -> None:
    """Delete the steps that are not to be kept; a half deleted one has no name that counts."""
    for step, path in listed(directory).items():
        if step not in kept:
            gone = path.with_suffix(".gone")
            os.rename(path, gone)
            _remove(gone)


def _name(step: int) -> str:
    return f"step_{step:08d}"


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
