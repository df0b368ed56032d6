"""One writer per directory: a lock that the system drops with the process, so that none is ever stale."""

import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "lock"
HELD: dict[Path, int] = {}
"""The locks of this process. Closing any file of a lock gives it up, so each is opened once."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory against other processes; within one process the lock may be taken again.

    Raises:
      BlockingIOError: another process holds it, named by its number and host.
    """
    path = directory.resolve() / NAME
    if path in HELD:
        yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(descriptor, path)
        HELD[path] = descriptor
        yield
    finally:
        HELD.pop(path, None)
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):
            # A file system without locks: better no guard than no checkpoints.
            return
        holder = os.read(descriptor, 200).decode(errors="replace").strip()
        raise BlockingIOError(f"Checkpoints: {path.parent} must have one writer; process {holder} is writing") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()} on {platform.node()}\n".encode())
