"""`python -m benchmarks.faults`: every kind of fault, tried on real files and processes; about ten minutes."""

import argparse
import json
import platform
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import jax

from . import beside, damage, interrupts, kills, liveness, others, sweeps
from .outcome import Outcome, timed

Trial = tuple[Callable[..., Outcome], tuple[object, ...]]
QUICK: list[Trial] = [
    (kills.at_every_operation, (3, 20)),
    (damage.flips, (30,)),
    (damage.truncations, (5,)),
    (damage.missing, ()),
    (damage.swapped, ()),
    (damage.full_disk, (4,)),
    (others.folders, (1,)),
    (others.locks, ()),
    (others.crafted, ()),
    (beside.writers, ()),
    (beside.reader, (10,)),
]
FULL: list[Trial] = [
    (kills.at_every_operation, (3, 1)),
    (kills.at_every_operation, (2, 1)),
    (damage.flips, (300,)),
    (damage.truncations, (20,)),
    (damage.missing, ()),
    (damage.swapped, ()),
    (damage.full_disk, (20,)),
    (others.folders, (len(others.MANIFESTS),)),
    (others.locks, ()),
    (others.crafted, ()),
    (beside.writers, ()),
    (beside.reader, (100,)),
    (interrupts.single, (signal.SIGKILL, 10)),
    (interrupts.single, (signal.SIGTERM, 10)),
    (sweeps.killed, (5,)),
    (interrupts.killed_peer, ()),
    (interrupts.asked_peer, ()),
    (liveness.changed_settings, ()),
    (liveness.failing, ("loader",)),
    (liveness.failing, ("callback",)),
    (liveness.hung, (signal.SIGINT, signal.SIGINT)),
    (liveness.hung, (signal.SIGTERM,)),
    (liveness.stuck_peer, ()),
]
HEADER = """\
# Faults

What `python -m benchmarks.faults` tried and found. Recovered means that everything that had been committed was there
afterwards, bit for bit, that the work went on, and that nothing of others was changed; a checkpoint is committed when
`save` returns.

| fault | tried | recovered | lost | silently wrong | what came of it | seconds |
|---|---|---|---|---|---|---|
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few trials, none of them a run: does it work?")
    parser.add_argument("--out", type=Path, help="a folder for faults.json and faults.md")
    options = parser.parse_args(arguments)
    outcomes = []
    for trial, trial_arguments in QUICK if options.quick else FULL:
        outcomes.append(timed(trial, *trial_arguments))
        print(row(outcomes[-1]), flush=True)
    if options.out:
        write(options.out, outcomes)
    return int(any(outcome.lost or outcome.silently_wrong for outcome in outcomes))


def row(outcome: Outcome) -> str:
    return f"| {' | '.join(str(value) for value in outcome.record().values())} |"


def write(folder: Path, outcomes: list[Outcome]) -> None:
    machine = {"platform": platform.platform(), "python": platform.python_version(), "jax": jax.__version__}
    record = {"machine": machine, "rows": [outcome.record() for outcome in outcomes]}
    (folder / "faults.json").write_text(json.dumps(record, indent=1) + "\n")
    made_on = ", ".join(f"{name} {version}" for name, version in machine.items())
    text = HEADER + "\n".join(map(row, outcomes)) + f"\n\nMade with {made_on}.\n"
    (folder / "faults.md").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
