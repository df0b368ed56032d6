"""The names in a directory of checkpoints, and the order of renames and deletions that keeps one of them whole.

step_00000012              whole: it gets this name when it is complete and on the disk
step_00000012.3.tmp        being written
step_00000012.replaced     the former checkpoint of that step, which counts until the new one has its name
step_00000012.3.gone       being deleted
step_00000012.3.damaged    found damaged by a restore, set aside by the next save

Only folders that were written here are ever renamed or deleted. A link to a checkpoint is read as the folder that it
leads to, and never changed.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Collection
from itertools import count
from pathlib import Path

from . import _manifest
from ._files import sync_directory

SAVED = re.compile(r"(step_(\d{8,}))(\.replaced)?")
LEFT_OVER = re.compile(r"step_\d{8,}\.\d+\.(tmp|gone)")
ATTEMPTS = count(1)


def listed(directory: Path) -> dict[int, Path]:
    """The folder of every step that was saved, damaged ones among them."""
    paths = sorted(directory.iterdir(), reverse=True) if directory.is_dir() else []
    matches = [(SAVED.fullmatch(path.name), path) for path in paths]
    found = [(int(match[2]), match[1], path) for match, path in matches if match]
    # A name sorts before the same name with a suffix, so it comes later here and wins.
    return {step: path for step, name, path in found if name == _name(step) and _is_like_ours(path)}


def make_temporary(directory: Path, step: int) -> Path:
    """Make the folder that a step is written to: a new one each time, as a failed save may still write to the old."""
    path = _free(directory, step, "tmp")
    os.mkdir(path)
    try:
        _manifest.begin(path)
    except OSError:
        discard(path)
        raise
    return path


def temporary(directory: Path, step: int, number: int) -> Path:
    return directory / f"{_name(step)}.{number}.tmp"


def number_of(temporary: Path) -> int:
    """The number that tells this attempt to save a step from others."""
    return int(temporary.suffixes[-2][1:])


def prepare(directory: Path, step: int, damaged: set[Path]) -> None:
    """Clear away what killed saves left and what is known to be damaged, and refuse a step that cannot be saved.

    Raises:
      ValueError: there are later steps, or the name of this one is taken by something else.
    """
    saved = {number: path for number, path in listed(directory).items() if _manifest.is_ours(path)}
    latest = max((number for number, path in saved.items() if path not in damaged), default=-1)
    if step < latest:
        raise ValueError(f"save: step must be at least {latest}, the latest in {directory}; got {step}")
    for number, path in saved.items():
        if path in damaged and _is_changeable(path):
            os.rename(path, _free(directory, number, "damaged"))
    for path in directory.iterdir():
        if LEFT_OVER.fullmatch(path.name) and (_is_changeable(path) or _is_empty(path)):
            discard(path)
    for path in directory.glob("step_*.replaced"):
        if path.with_suffix("").exists() and (_is_changeable(path) or _is_empty(path)):
            _remove(path)
        elif _is_changeable(path):
            os.rename(path, path.with_suffix(""))
    for path in (directory / _name(step), directory / f"{_name(step)}.replaced"):
        if os.path.lexists(path) and not _is_changeable(path):
            what = "a link" if path.is_symlink() else "something else"
            raise ValueError(f"save: {path} must be free or a checkpoint; it is {what}, which is left as it is")
    damaged.clear()


def commit(written: Path, step: int) -> None:
    """Give a complete folder its name, and make that last."""
    final = written.with_name(_name(step))
    replaced = written.with_name(f"{_name(step)}.replaced")
    if final.exists():
        os.rename(final, replaced)
    os.rename(written, final)
    sync_directory(written.parent)
    if replaced.exists():
        _remove(replaced)


def discard(written: Path) -> None:
    """Delete what a failed save left. Its threads may still be writing: the next save deletes the rest."""
    for _ in range(20):
        try:
            _remove(written)
        except OSError:
            time.sleep(0.02)
        if not written.exists():
            return


def prune(directory: Path, keep: int, best: int | None) -> None:
    """Delete all steps but the latest and the best; a half-deleted one has no name that counts."""
    own = {step: path for step, path in listed(directory).items() if _is_changeable(path)}
    kept: Collection[int | None] = {*sorted(own)[-keep:], best}
    for step, path in own.items():
        if step not in kept:
            gone = _free(directory, step, "gone")
            os.rename(path, gone)
            _remove(gone)


def identity(path: Path) -> tuple[int, int] | None:
    """The folder that a path leads to now; None where it leads nowhere."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _name(step: int) -> str:
    return f"step_{step:08d}"


def _free(directory: Path, step: int, suffix: str) -> Path:
    paths = (directory / f"{_name(step)}.{number}.{suffix}" for number in ATTEMPTS)
    return next(path for path in paths if not os.path.lexists(path))


def _is_like_ours(path: Path) -> bool:
    """Whether a folder has one of our two files; the other may be what is damaged."""
    return path.is_dir() and any((path / name).exists() for name in (_manifest.NAME, _manifest.MARK))


def _is_changeable(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and _manifest.is_ours(path)


def _is_empty(path: Path) -> bool:
    """Whether a save was killed before its first file, or a deletion after its last."""
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _remove(path: Path) -> None:
    """Delete a folder. What marks it as ours goes last, so that a later call can finish a deletion cut short."""
    last = (_manifest.NAME, _manifest.MARK)
    for inner in sorted(path.iterdir(), key=lambda inner: last.index(inner.name) if inner.name in last else -1):
        if inner.is_dir() and not inner.is_symlink():
            shutil.rmtree(inner)
        else:
            inner.unlink()
    path.rmdir()
