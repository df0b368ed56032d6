"""What makes a directory a checkpoint: a list of its files with their digests, written last.

The list has a digest of its own. It may still have been made by someone else: it is believed only as far as it has the
form of ours and names files of its own folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._damage import DamagedError
from ._files import digest, is_plain, sync_directory
from ._manifest_form import require_form

NAME = "manifest.json"
FORMAT = 2
MARK = "jreg_checkpoint"
"""A file that is written before all others, so that what a killed save leaves is known as ours."""


def begin(folder: Path) -> None:
    """Mark a folder as ours."""
    (folder / MARK).write_text("A checkpoint of jreg.train.Checkpoints.\n")


def write(folder: Path, content: dict[str, Any], known: Mapping[str, str]) -> None:
    """Put every file below `folder` on the disk for good, and then the manifest with their digests.

    `known` has the digests of those that are on the disk already.
    """
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    digests = {name: known.get(name) or digest(path, synced=True) for name, path in files.items()}
    body = {"format": FORMAT, **content, "files": digests}
    with open(folder / NAME, "w") as file:
        json.dump({"digest": _digest_of(body), "manifest": body}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync_directory(path)


def is_ours(folder: Path) -> bool:
    """Whether a folder was written here: it has our mark, or a manifest with the outlines of ours."""
    try:
        if is_plain(folder / MARK):
            return True
        record = _parsed(folder)
        return type(record["digest"]) is str and type(record["manifest"]["format"]) is int
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def read(folder: Path, step: int) -> dict[str, Any]:
    """The manifest of a step, whole and of that step.

    Raises:
      DamagedError: it is missing, cut short, changed, that of another step, or not in the form of ours.
      ValueError: its format is one that this version does not know.
    """
    try:
        record = _parsed(folder)
        body, written = record["manifest"], record["digest"]
        found = _digest_of(body)
        version = body["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"{folder / NAME} cannot be read ({type(error).__name__})") from error
    if found != written:
        raise DamagedError(f"{folder / NAME} is not what was written")
    if type(version) is int and version != FORMAT:
        raise ValueError(f"restore: the format of {folder} must be {FORMAT}; got {version}, of another version")
    try:
        require_form(body)
    except ValueError as error:
        raise DamagedError(f"{folder / NAME} is not what a save writes: {error}") from None
    if body["step"] != step:
        raise DamagedError(f"{folder} holds step {body['step']}")
    return body


def _parsed(folder: Path) -> Any:
    if not is_plain(folder / NAME):
        raise FileNotFoundError(folder / NAME)
    return json.loads((folder / NAME).read_bytes())


def _digest_of(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
