"""Settings that changed, code of the user that raises, loaders that hang, peers that sleep."""

import random
import signal
import subprocess
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

from jreg import train

from .interrupts import PATIENCE, after, end_of, judged, started, two, waited
from .outcome import Outcome, counted

STALLED = 75


@cache
def _unbroken() -> str | int:
    with tempfile.TemporaryDirectory() as folder:
        return end_of(Path(folder), random.Random(0), None)


def _finished(folder: Path, whole: str | int) -> str:
    return judged(end_of(folder, random.Random(0), None), whole)


def changed_settings() -> Outcome:
    """Start an interrupted run again with other settings, and then with its own."""
    whole, results = _unbroken(), Counter()
    trials = [(["--rate", "0.3"], "hyper/rate: float32 0.2 before, float32 0.3 now")]
    trials += [(["--epochs", "1"], "epochs must be at least 2")]
    for arguments, message in trials:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            _status(folder, "--callback-fails-at", "12")
            status, errors = _status(folder, *arguments)
            refused = status == 1 and message in errors
            results[_finished(folder, whole) if refused else "wrong: not refused"] += 1
    return counted("started again with other settings", results, "refused by name; then with its own, the run")


def failing(where: str) -> Outcome:
    """The loader or the callback raises, at some steps."""
    whole, results = _unbroken(), Counter()
    for at in (3, 8, 21):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            status, errors = _status(folder, f"--{where}-fails-at", str(at))
            # A batch is fetched two ahead of its step, and a step is told of one late.
            expected = at - 2 if where == "loader" else at
            is_saved = (train.Checkpoints(folder).latest_step or 0) >= expected
            is_right = status == 1 and "RuntimeError: no more" in errors and is_saved
            results[_finished(folder, whole) if is_right else f"lost: ended with {status}"] += 1
    return counted(f"the {where} raises; then started again", results, "saved, raised; then the run")


def hung(*signums: signal.Signals) -> Outcome:
    """The loader never gives its batch, and the run is asked to stop."""
    whole, results = _unbroken(), Counter()
    for at in (3, 8, 21):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            with started(folder, "--loader-hangs-at", str(at), "--grace", "2") as run:
                _until(run, "hangs")
                for signum in signums:
                    run.send_signal(signum)
                    # Signals that are sent at once may be delivered as one.
                    _pause(run)
                status = waited(run)
            is_saved = (train.Checkpoints(folder).latest_step or 0) >= at - 2
            is_right = status == 128 + signums[0] and is_saved
            results[_finished(folder, whole) if is_right else f"lost: ended with {status}"] += 1
    names = " and ".join(signum.name for signum in signums)
    return counted(f"{names} while the loader hangs; then started again", results, "saved, left; then the run")


def stuck_peer() -> Outcome:
    """The loader of one of two processes never gives its batch; the other has a stall_timeout, as has the one."""
    results, said = Counter(), Counter()
    for rank in (0, 1):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            with two(folder, "--stall-timeout", "10", asleep=rank, at=11, errors=subprocess.PIPE) as runs:
                ends = [_end(run) for run in runs]
            named = [f"process {number} of 2" in errors for number, (_, errors) in enumerate(ends)]
            statuses = [status for status, _ in ends]
            said[f"{statuses}"] += 1
            left_well = statuses[rank] == STALLED and named[rank] and statuses[1 - rank] not in (None, 0)
            results[after(left_well, folder)] += 1
    statuses = ", ".join(said)
    return counted("a loader of one of two processes hangs, stall_timeout 10 s", results, f"left with {statuses}; then")


def _status(folder: Path, *arguments: str) -> tuple[int | None, str]:
    with started(folder, *arguments, errors=subprocess.PIPE) as run:
        return _end(run)


def _end(run: subprocess.Popen) -> tuple[int | None, str]:
    try:
        _, errors = run.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return None, ""
    return run.returncode, errors


def _until(run: subprocess.Popen, word: str) -> None:
    for line in run.stdout or ():
        if line.startswith(word):
            return


def _pause(run: subprocess.Popen) -> None:
    try:
        run.wait(0.5)
    except subprocess.TimeoutExpired:
        return
