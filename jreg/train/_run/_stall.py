"""End a run that has stalled: a thread beside it sees that a step, a save, a loader or a peer is stuck."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import jax

STALLED = 75
"""The exit status, EX_TEMPFAIL of sysexits.h: starting again may help."""
TICKS = 20


class Watch:
    """What the run waits for now. Every new wait is a move."""

    def __init__(self) -> None:
        self.mark: tuple[int, str] = (0, "its start")

    def waits_for(self, what: str) -> None:
        self.mark = (self.mark[0] + 1, what)


@contextmanager
def watching(timeout: float | None) -> Iterator[Watch]:
    """End the process when the watch has not moved for `timeout` seconds; None never does.

    The seconds count while this process runs: time in which it was itself stopped or asleep does not.
    """
    watch, left = Watch(), threading.Event()
    if timeout is None:
        yield watch
        return
    thread = threading.Thread(target=_look, args=(watch, left, timeout), name="jreg stall", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        left.set()


def _look(watch: Watch, left: threading.Event, timeout: float) -> None:
    seen, still = watch.mark, 0
    while not left.wait(timeout / TICKS):
        seen, still = watch.mark, still + 1 if watch.mark == seen else 0
        if still >= TICKS:
            _end(message(seen[1], timeout))


def message(what: str, timeout: float) -> str:
    process = f"{jax.process_index()} of {jax.process_count()} ({os.getpid()} on {platform.node()})"
    return (
        f"run: process {process} has not moved for {timeout:g} s; it waited for {what}. "
        f"It ends with status {STALLED}; started again, the run resumes from its last checkpoint\n"
    )


def _end(text: str) -> None:
    # The main thread may hold any lock, so nothing is closed and nothing flushed.
    os.write(2, text.encode())
    os._exit(STALLED)
