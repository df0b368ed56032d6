"""Training runs that are killed or asked to stop at random, and started again until they end."""

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from jreg import train

from .outcome import Outcome, counted

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0


def single(signum: signal.Signals, count: int) -> Outcome:
    """Send a signal to a run at a random step, `count` times, and compare the end with that of an unbroken run."""
    generator, results = random.Random(int(signum)), Counter()
    with tempfile.TemporaryDirectory() as temporary:
        whole = end_of(Path(temporary) / "unbroken", generator, None)
        for number in range(count):
            folder = Path(temporary) / str(number)
            results[_interrupted(folder, signum, generator, whole)] += 1
    return counted(f"{signum.name} at a random step of a run, then started again", results, "the run")


def _interrupted(folder: Path, signum: signal.Signals, generator: random.Random, whole: str | int) -> str:
    """Twice interrupted: the second time the run is one that was resumed."""
    for _ in range(2):
        status = end_of(folder, generator, signum)
        if status not in (-signal.SIGKILL, 143) or (signum == signal.SIGTERM) != (status == 143):
            return f"lost: ended with {status}"
    return judged(end_of(folder, generator, None), whole)


def end_of(folder: Path, generator: random.Random, signum: signal.Signals | None) -> str | int:
    """Run it to its end, for the digest of all its numbers, or to a signal, for its status."""
    with started(folder) as run:
        if signum is None:
            return digest_of(run)
        saved = wait_for_steps(run, generator.randint(1, 12))
        time.sleep(generator.uniform(0.0, 0.2))
        run.send_signal(signum)
        status = run.wait(PATIENCE)
    found = train.Checkpoints(folder).latest_step or 0
    return status if found >= saved else "lost: what was reported as saved"


@contextmanager
def started(folder: Path, *arguments: str, errors: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "benchmarks.faults.target", str(folder), *arguments]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": errors, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_steps(run: subprocess.Popen, count: int) -> int:
    """Read until so many steps are reported as saved; the last of them."""
    # The communication library writes to the same output.
    lines = (line for line in run.stdout or () if line.startswith("saved "))
    steps = [int(line.split()[1]) for line in islice(lines, count)]
    return steps[-1] if steps else 0


def digest_of(run: subprocess.Popen) -> str:
    lines = run.communicate()[0].splitlines()
    return lines[-1] if lines and run.wait(PATIENCE) == 0 else f"lost: ended with {run.wait(PATIENCE)}"


def killed_peer() -> Outcome:
    """Two processes with half of each batch: kill either, and start both again."""
    results, waits = Counter(), []
    for rank in (0, 1):
        with tempfile.TemporaryDirectory() as folder:
            with two(Path(folder)) as runs:
                wait_for_steps(runs[0], 5)
                runs[rank].kill()
                begin = time.monotonic()
                status = waited(runs[1 - rank])
                waits.append(time.monotonic() - begin)
            results[after(status not in (None, 0), Path(folder))] += 1
    detail = f"the other was gone after {max(waits):.0f} s at most; started again, both"
    return counted("SIGKILL of one of two processes", results, detail)


def asked_peer() -> Outcome:
    """Ask one of two processes to leave, and start both again."""
    with tempfile.TemporaryDirectory() as folder:
        with two(Path(folder)) as runs:
            wait_for_steps(runs[0], 5)
            runs[1].send_signal(signal.SIGTERM)
            statuses = [waited(run) for run in runs]
        results = Counter([after(statuses == [143, 143], Path(folder))])
    return counted("SIGTERM to one of two processes", results, f"both left with {statuses}; started again, both")


def after(left_well: bool, folder: Path) -> str:
    if not left_well:
        return "lost: the other did not leave"
    return judged(end_of_two(folder), _unbroken_end_of_two())


def judged(end: str | int, whole: str | int) -> str:
    return "recovered: ended with every bit of the unbroken run" if end == whole else f"wrong: ended with {end}"


@cache
def _unbroken_end_of_two() -> str:
    with tempfile.TemporaryDirectory() as folder:
        return end_of_two(Path(folder))


def waited(run: subprocess.Popen) -> int | None:
    try:
        return run.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        return None


def end_of_two(folder: Path) -> str:
    with two(folder) as runs:
        ends = [digest_of(run) for run in runs]
    return ends[0] if ends[0] == ends[1] else f"two ends: {ends}"


@contextmanager
def two(
    folder: Path, *arguments: str, asleep: int | None = None, at: int = 0, errors: int = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen, subprocess.Popen]]:
    """Two processes of one run; the loader of one may hang at a batch."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    first, second = (
        ["--process", str(rank), "--coordinator", coordinator, *arguments]
        + (["--loader-hangs-at", str(at)] if rank == asleep else [])
        for rank in (0, 1)
    )
    with started(folder, *first, errors=errors) as one, started(folder, *second, errors=errors) as other:
        yield one, other
