"""Files of a checkpoint: their digests, and what makes them outlive a loss of power."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path


def is_plain(path: Path) -> bool:
    """Whether it is a file of its own: no link, no pipe."""
    return path.is_file() and not path.is_symlink()


def digest(path: Path, *, synced: bool = False) -> str:
    """The digest of a file; if `synced`, after it is on the disk for good."""
    with open(path, "rb") as file:
        if synced:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


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
