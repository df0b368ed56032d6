"""What makes a directory a checkpoint: a list of its files with their digests, written last.

Storage returns flipped bits without a word, so every file is compared with the digest that was taken when it was
written, and the list with a digest of its own. A list may still have been made by someone else: it is believed only as
far as it has the form of ours and names files of its own folder.
"""

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._form import require_form

NAME = "manifest.json"
FORMAT = 2
MARK = "jreg_checkpoint"
"""A file that is there before all others, so that what a killed save leaves is known as ours."""


class DamagedError(ValueError):
    """A checkpoint that is not what was written."""


def begin(folder: Path) -> None:
    """Mark a folder as ours."""
    (folder / MARK).write_text("A checkpoint of jreg.train.Checkpoints.\n")


def write(folder: Path, content: dict[str, Any], known: Mapping[str, str]) -> None:
    """Put every file below `folder` on the disk for good, and then the manifest with their digests.

    `known` has the digests of those that are on the disk already.
    """
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    digests = {name: known.get(name) or _digest(path, synced=True) for name, path in files.items()}
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
      DamagedError: it is missing, cut short, changed, that of another step, or has not the form of ours.
      ValueError: its format is one that this version does not know.
    """
    try:
        record = _parsed(folder)
        body, digest = record["manifest"], record["digest"]
        found = _digest_of(body)
        version = body["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"{folder / NAME} cannot be read ({type(error).__name__})") from error
    if found != digest:
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


def verify(folder: Path, body: dict[str, Any]) -> None:
    """Compare every file with its digest.

    Raises:
      DamagedError: a file is missing, is a link, is not what was written, or is there and was not written.
    """
    own = os.path.realpath(folder)
    for name, digest in body["files"].items():
        try:
            is_inside = os.path.realpath(folder / name) == os.path.join(own, name)
            found = _digest(folder / name) if is_inside and is_plain(folder / name) else "none"
        except OSError as error:
            raise DamagedError(f"{folder / name} cannot be read ({type(error).__name__})") from error
        if found != digest:
            raise DamagedError(f"{folder / name} is not what was written")
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if "/" in name and not path.is_dir() and name not in body["files"]:
            raise DamagedError(f"{path} was not written by a save")


def is_plain(path: Path) -> bool:
    """Whether it is a file of its own: no link, no pipe."""
    return path.is_file() and not path.is_symlink()


def sync_directory(path: Path) -> None:
    """Make names in a directory, new or changed, outlive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot sync a directory; where one can, every other error counts.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _parsed(folder: Path) -> Any:
    if not is_plain(folder / NAME):
        raise FileNotFoundError(folder / NAME)
    return json.loads((folder / NAME).read_bytes())


def _digest(path: Path, *, synced: bool = False) -> str:
    with open(path, "rb") as file:
        if synced:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
