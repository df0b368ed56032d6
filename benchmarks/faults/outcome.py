"""What came of the trials of one kind."""

import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jreg import train


@dataclass
class Outcome:
    """`recovered`: all that was committed is there, bit for bit, and the work goes on; the rest is lost or wrong."""

    name: str
    tried: int
    recovered: int
    lost: int
    silently_wrong: int
    detail: str
    seconds: float = 0.0

    def record(self) -> dict[str, Any]:
        return asdict(self)


def timed(trial: Callable[..., Outcome], *args: Any) -> Outcome:
    begin = time.monotonic()
    outcome = trial(*args)
    outcome.seconds = round(time.monotonic() - begin, 1)
    return outcome


def counted(name: str, results: Counter[str], detail: str) -> Outcome:
    """Results are "recovered", "lost" or "wrong"; what follows a colon goes into the detail."""
    kinds = Counter()
    for result, number in results.items():
        kinds[result.partition(":")[0]] += number
    shown = ", ".join(f"{n} {result.partition(': ')[2]}" for result, n in sorted(results.items()) if ": " in result)
    detail = f"{detail}: {shown}" if shown else detail
    return Outcome(name, sum(results.values()), kinds["recovered"], kinds["lost"], kinds["wrong"], detail)


def state(step: int, size: int = 64) -> dict[str, Any]:
    """A state whose every number tells its step."""
    return {
        "kernel": np.arange(size * 4, dtype=np.float32).reshape(size, 4) + np.float32(step),
        "bias": np.full(4, step, np.float16),
        "step": np.int32(step),
    }


def is_state(found: Any, step: int, size: int = 64) -> bool:
    expected = jax.tree.leaves(state(step, size))
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(found), expected, strict=True))


def examined(folder: Path, committed: int, attempted: int) -> str:
    """Restore what a fault left, as a new process would, and save once more."""
    checkpoints = train.Checkpoints(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = checkpoints.load(state(0))
    except (OSError, ValueError):
        return "lost"
    if not is_state(found.state, found.step):
        return "wrong"
    if found.step not in (committed, attempted):
        return "lost"
    checkpoints.save(state(attempted + 1), attempted + 1, {})
    if not is_state(checkpoints.restore(state(0)), attempted + 1):
        return "lost"
    return "recovered: old" if found.step == committed else "recovered: new"
