"""Two writers of one directory, and a reader beside a writer that deletes."""

import gc
import logging
import os
import sys
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jreg import train

from .outcome import Outcome, counted, is_state, state


def writers() -> Outcome:
    """Every other writer of the same process, while one writes."""
    results = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder, link = Path(temporary) / "runs", Path(temporary) / "link"
        folder.mkdir()
        link.symlink_to(folder)
        holder = train.Checkpoints(folder)
        others = [train.Checkpoints(folder), train.Checkpoints(link)]
        with holder.writing():
            for other in others:
                results[_refused(other)] += 1
            for other in (holder, *others):
                results[_in_a_thread(_refused, other)] += 1
            holder.save(state(1), 1, {})
        for step, other in enumerate((holder, *others), 2):
            other.save(state(step), step, {})
            results[
                "recovered: let in when the first had left" if is_state(other.restore(state(0)), step) else "wrong"
            ] += 1
    return counted("a second writer in the same process: another object, thread or path", results, "the second")


def _refused(other: train.Checkpoints) -> str:
    try:
        other.save(state(9), 9, {})
    except BlockingIOError as error:
        return "recovered: refused" if str(os.getpid()) in str(error) else "lost: unnamed"
    return "wrong: not refused"


def _in_a_thread(function: Callable[..., str], *args: Any) -> str:
    found = []
    thread = threading.Thread(target=lambda: found.append(function(*args)))
    thread.start()
    thread.join()
    return found[0]


def reader(count: int) -> Outcome:
    """Read again and again while a writer keeps one checkpoint alone."""
    # Where several arrays cannot be read, orbax looks at the error of one; Python tells of the others as it frees them.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
    former, sys.unraisablehook = sys.unraisablehook, lambda _: None
    results = Counter()
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("error")
        writer = train.Checkpoints(temporary, keep=1)
        writer.save(state(0), 0, {})
        thread = threading.Thread(target=lambda: [writer.save(state(n), n, {}) for n in range(1, count + 1)])
        thread.start()
        last = 0
        while thread.is_alive():
            result, last = _read(train.Checkpoints(temporary), last)
            results[result] += 1
        thread.join()
    gc.collect()
    sys.unraisablehook = former
    logging.getLogger("asyncio").setLevel(logging.NOTSET)
    return counted(f"reads beside a writer that saves {count} times and keeps one", results, "each read")


def _read(checkpoints: train.Checkpoints, last: int) -> tuple[str, int]:
    try:
        found = checkpoints.load(state(0))
    except Exception as error:
        return f"lost: {type(error).__name__}", last
    is_right = is_state(found.state, found.step) and found.step >= last
    return "recovered: a whole checkpoint, none older than the one before" if is_right else "wrong", found.step
