"""PyTorch beside the others: eager and compiled, in a process of its own, on the same device and as many threads.

The process stays for as long as its suite is timed, and takes its turn in every round.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax

from ..measure import Plan, Remote

ROOT = Path(__file__).parents[2]


class Found(NamedTuple):
    """The cases of PyTorch by name, and the names of those that cannot run here."""

    cases: dict[str, Remote]
    missing: tuple[str, ...]


@contextmanager
def started(plan: Plan, task: str, **settings: Any) -> Iterator[Found]:
    """The task of `cases` or `models`, eager and, unless the run is quick, compiled too."""
    if "torch" not in plan.peers:
        yield Found({}, ())
        return
    ways = ("eager",) if plan.is_quick else ("eager", "compiled")
    order = {"task": task, "settings": settings, "ways": ways, "device": device(), "threads": os.cpu_count()}
    command = [sys.executable, "-m", "benchmarks.torch_peer", json.dumps(order)]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            answer = ask(process)
            compile_s = json.loads(answer) if answer else {}
            yield Found(
                {f"torch {way}": Remote(partial(seconds, process, way), taken) for way, taken in compile_s.items()},
                tuple(f"torch {way}" for way in ways if way not in compile_s),
            )
        finally:
            process.kill()


def device() -> str:
    return {"gpu": "cuda"}.get(jax.default_backend(), jax.default_backend())


def seconds(process: subprocess.Popen[str], way: str) -> float:
    return float(ask(process, way))


def ask(process: subprocess.Popen[str], question: str | None = None) -> str:
    """The next line of the process's output; empty where it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    if question is not None:
        print(question, file=process.stdin, flush=True)
    return process.stdout.readline()
