"""SIGKILL at every operation on a file that a save makes, half writes included.

`python -m benchmarks.faults.kills FOLDER STEP STRIDE` runs with `kill_at.c` preloaded and forks a process for each one,
before any device is used; the directories that it leaves are examined by whoever started it.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from jreg import train

from .outcome import Outcome, counted, examined, state

SOURCE = Path(__file__).with_name("kill_at.c")
ROOT = Path(__file__).parents[2]
COMMITTED = 2


def at_every_operation(attempted: int, stride: int) -> Outcome:
    """Save step `attempted` beside steps 1 and 2, keeping one; or in the place of step 2."""
    name = "SIGKILL at every file operation of a save" + (" in the place of another" if attempted == COMMITTED else "")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        library = folder / "kill_at.so"
        compiler = shutil.which("cc")
        if compiler is None:
            return Outcome(name, 0, 0, 0, 0, "not run: no C compiler")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
        command = [sys.executable, "-m", "benchmarks.faults.kills", str(folder / "trials"), str(attempted), str(stride)]
        environment = {**os.environ, "LD_PRELOAD": str(library), "JAX_PLATFORMS": "cpu"}
        subprocess.run(command, check=True, cwd=ROOT, env=environment)
        trials = sorted((folder / "trials").iterdir(), key=lambda path: int(path.name))
        results = Counter(outcome(trial, attempted) for trial in trials)
        return counted(name, results, f"operations 1 to {trials[-1].name}, the checkpoint then found")


def outcome(trial: Path, attempted: int) -> str:
    """What the kill left; where a step is saved again, old and new differ by the numbers in them."""
    if attempted != COMMITTED:
        return examined(trial, COMMITTED, attempted)
    try:
        found = train.Checkpoints(trial).load(state(0))
    except (OSError, ValueError):
        return "lost"
    again = state(COMMITTED + 10)
    is_new = all((found.state[name] == again[name]).all() for name in again)
    is_old = all((found.state[name] == state(COMMITTED)[name]).all() for name in again)
    train.Checkpoints(trial).save(again, COMMITTED, {})
    return "recovered: new" if is_new else "recovered: old" if is_old else "wrong"


def main(folder: str, attempted: str, stride: str) -> None:
    library = ctypes.CDLL(None)
    template = Path(folder).with_name("template")
    wait_for(os.fork() or prepare(template))
    operation = 1
    while True:
        trial = Path(folder) / str(operation)
        shutil.copytree(template, trial)
        if not was_killed(os.fork() or save(library, operation, trial, int(attempted))):
            shutil.rmtree(trial)
            return
        operation += int(stride)


def prepare(template: Path) -> int:
    checkpoints = train.Checkpoints(template)
    for step in (1, COMMITTED):
        checkpoints.save(state(step), step, {})
    os._exit(0)


def save(library: ctypes.CDLL, operation: int, trial: Path, attempted: int) -> int:
    library.arm(operation, os.fsencode(trial))
    saved = state(attempted if attempted != COMMITTED else COMMITTED + 10)
    train.Checkpoints(trial, keep=1).save(saved, attempted, {})
    os._exit(0)


def was_killed(process: int) -> bool:
    return wait_for(process) == -signal.SIGKILL


def wait_for(process: int) -> int:
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a save ended with {code}")
    return code


if __name__ == "__main__":
    main(*sys.argv[1:])
