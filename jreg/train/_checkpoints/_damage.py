"""Damage: files of a checkpoint that are missing, changed, or were not written by a save.

Storage returns flipped bits without a word, so every file is compared with the digest that was taken when it was
written. `_newest` passes over a damaged checkpoint; the next save sets it aside.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ._files import digest, is_plain


class DamagedError(ValueError):
    """A checkpoint that is not what was written."""


def require_undamaged(folder: Path, files: Mapping[str, str]) -> None:
    """Compare every file with its digest.

    Raises:
      DamagedError: a file is missing, is a link, is not what was written, or is there and was not written.
    """
    own = os.path.realpath(folder)
    for name, written in files.items():
        try:
            is_inside = os.path.realpath(folder / name) == os.path.join(own, name)
            found = digest(folder / name) if is_inside and is_plain(folder / name) else "none"
        except OSError as error:
            raise DamagedError(f"{folder / name} cannot be read ({type(error).__name__})") from error
        if found != written:
            raise DamagedError(f"{folder / name} is not what was written")
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if "/" in name and not path.is_dir() and name not in files:
            raise DamagedError(f"{path} was not written by a save")
