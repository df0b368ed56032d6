"""Sweeps that are killed at random times, and started again until they end.

`python -m benchmarks.faults.sweeps FOLDER` runs one sweep and prints the lanes that are done, then a digest of all.
"""

import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jreg import train

from .outcome import Outcome, counted

ROOT = Path(__file__).parents[2]


def killed(count: int) -> Outcome:
    """`count` sweeps, each killed again and again until one of its starts reaches the end."""
    generator, results = random.Random(0), Counter()
    with tempfile.TemporaryDirectory() as temporary:
        *_, whole = lines_until(Path(temporary) / "whole", None)
        for number in range(count):
            for result in ends(Path(temporary) / str(number), generator, whole):
                results[result] += 1
    return counted("SIGKILL at a random time of a sweep, then started again", results, "the sweep")


def ends(folder: Path, generator: random.Random, whole: str) -> list[str]:
    """What came of each kill of one sweep: its lanes were there at the next start."""
    found, committed = [], 0
    while True:
        lines = lines_until(folder, generator.uniform(0.0, 0.3))
        if lines and not lines[-1].isdigit():
            return [*found, "recovered: ended as if unbroken" if lines[-1] == whole else "wrong"]
        if lines:
            found.append("recovered: went on" if int(lines[0]) > committed else "lost")
            committed = int(lines[-1])


def lines_until(folder: Path, seconds: float | None) -> list[str]:
    """What a sweep printed in the given time after its first line, before it was killed."""
    command = [sys.executable, "-m", "benchmarks.faults.sweeps", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT) as child:
        lines = [child.stdout.readline()] if child.stdout else []
        if seconds is not None:
            time.sleep(seconds)
            child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines() if child.stdout else []
    return [line.strip() for line in lines if line.endswith("\n")]


def walk(key: jax.Array, scale: jax.Array) -> jax.Array:
    return jnp.cumsum(jax.random.normal(key, (2000,))) * scale


def main(folder: str) -> None:
    def progress(done: int, total: int) -> None:
        print(done, flush=True)
        time.sleep(0.02)

    keys = jax.random.split(jax.random.key(0), 8)
    found = train.sweep(walk, keys, jnp.arange(16.0), chunk_size=4, checkpoints=folder, progress=progress)
    print(f"sha256 {hashlib.sha256(np.asarray(found).tobytes()).hexdigest()}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
