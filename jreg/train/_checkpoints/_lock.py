"""One writer per directory: a lock that the system drops with the process, so that none is ever stale."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = "lock"
SIGNATURE = b"jreg lock"
"""What the file begins with. The writer follows, padded to one length, so that a half-written file reads as a lock."""
LENGTH = 160
HELD: dict[tuple[int, int], tuple[int, int, int]] = {}
"""Which writer of this process holds a directory, by device and inode."""
GUARD = threading.Lock()


@contextmanager
def locked(directory: Path, owner: object = None) -> Iterator[None]:
    """Hold the directory against other processes and other writers of this one; the same writer may take it again.

    A writer is an owner in a thread. The file is opened once: closing any handle of it releases the lock of the system.

    Raises:
      BlockingIOError: another writer holds it, named by its process and host.
      ValueError: the file of that name is not a lock of ours. It is left as it is, and no link is followed.
    """
    found = directory.stat()
    place, writer = (found.st_dev, found.st_ino), (os.getpid(), threading.get_ident(), id(owner))
    with GUARD:
        holder = HELD.get(place)
        # A lock of the system does not pass to a forked child, so what the parent held is free here.
        is_free = holder is None or holder[0] != os.getpid()
        if is_free:
            HELD[place] = writer
    if not is_free and holder != writer:
        raise _busy(directory, f"{os.getpid()} on {platform.node()}, in another thread or by other Checkpoints,")
    if not is_free:
        yield
        return
    try:
        with _held(directory):
            yield
    finally:
        del HELD[place]


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    path = directory / NAME
    descriptor = _opened(path)
    try:
        content = _require_ours(descriptor, path)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                holder = content.removeprefix(SIGNATURE).decode(errors="replace").strip()
                raise _busy(directory, holder) from None
            # A file system without locks: better no guard than no checkpoints.
        else:
            holder = f" {os.getpid()} on {platform.node()}".encode()[: LENGTH - len(SIGNATURE) - 1]
            # The name is for others to read; the save itself reports a full disk.
            with suppress(OSError):
                os.pwrite(descriptor, (SIGNATURE + holder).ljust(LENGTH - 1) + b"\n", 0)
        yield
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.EMLINK):
            raise _foreign(path, "a link" if path.is_symlink() else "a folder") from None
        raise


def _require_ours(descriptor: int, path: Path) -> bytes:
    """What the lock says; a file just made is empty, as is one whose maker was killed."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise _foreign(path, "no file")
    content = os.pread(descriptor, LENGTH + 1, 0)
    if len(content) > LENGTH or not SIGNATURE.startswith(content[: len(SIGNATURE)]):
        raise _foreign(path, f"a file of something else, which begins {content[:20]!r}")
    return content


def _foreign(path: Path, what: str) -> ValueError:
    return ValueError(f"Checkpoints: {path} must be free or the lock of Checkpoints; got {what}")


def _busy(directory: Path, holder: str) -> BlockingIOError:
    return BlockingIOError(f"Checkpoints: {directory} must have one writer; process {holder} is writing")
