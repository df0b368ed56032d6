"""What makes a directory a checkpoint: a list of its files with their digests, written last.

Storage returns flipped bits without a word, so every file is compared with the digest that was taken when it was
written, and the list with a digest of its own.
"""

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Any

NAME = "manifest.json"
FORMAT = 1


class DamagedError(ValueError):
    """A checkpoint that is not what was written."""


def write(folder: Path, content: dict[str, Any]) -> None:
    """Put every file below `folder` on the disk for good, and then the manifest with their digests."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): _digest(path, synced=True) for path in files}
    body = {"format": FORMAT, **content, "files": digests}
    with open(folder / NAME, "w") as file:
        json.dump({"digest": _digest_of(body), "manifest": body}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        sync_directory(path)


def read(folder: Path, step: int) -> dict[str, Any]:
    """The manifest of a step, whole and of that step.

    Raises:
      DamagedError: it is missing, cut short, changed, or that of another step.
      ValueError: its format is one that this version does not know.
    """
    try:
        record = json.loads((folder / NAME).read_bytes())
        body, digest = record["manifest"], record["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{folder / NAME} cannot be read ({type(error).__name__})") from error
    if _digest_of(body) != digest:
        raise DamagedError(f"{folder / NAME} is not what was written")
    if body["format"] != FORMAT:
        raise ValueError(f"restore: the format of {folder} must be {FORMAT}; got {body['format']}, of another version")
    if body["step"] != step:
        raise DamagedError(f"{folder} holds step {body['step']}")
    return body


def verify(folder: Path, body: dict[str, Any]) -> None:
    """Compare every file with its digest.

    Raises:
      DamagedError: a file is missing or is not what was written.
    """
    for name, digest in body["files"].items():
        try:
            found = _digest(folder / name)
        except OSError as error:
            raise DamagedError(f"{folder / name} cannot be read ({type(error).__name__})") from error
        if found != digest:
            raise DamagedError(f"{folder / name} is not what was written")


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


def _digest(path: Path, *, synced: bool = False) -> str:
    with open(path, "rb") as file:
        if synced:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
