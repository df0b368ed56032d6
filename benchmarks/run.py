"""Time the suites, show a table for each, and store every sample with --json."""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax

from . import machine
from .measure import Suite, prepare, sample, summarize
from .screen import Row, Screen, ceilings_in_words
from .suites import PEERS, SUITES

ROUNDS, QUICK_ROUNDS = 15, 2


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    size = 1 if options.quick else machine.megabytes()
    record: dict[str, Any] = {
        "machine": machine.machine(),
        "settings": {
            "quick": options.quick,
            "rounds": rounds,
            "megabytes": size,
            "suites": options.suite,
            "peers": options.peers,
        },
        "ceilings": machine.ceilings(size, rounds),
        "rows": [],
    }
    with Screen(len(options.suite)) as screen:
        screen.console.print(f"{machine.label(record['machine'])}: {ceilings_in_words(record['ceilings'])}")
        for name in options.suite:
            screen.begin(name)
            for suite in chosen(SUITES[name].suites(options.quick, size, tuple(options.peers)), options.peers):
                rows = timed(suite, rounds, partial(screen.running, suite, record["ceilings"]))
                screen.finished(suite, record["ceilings"], rows)
                record["rows"] += [{"family": name, **row} for row in rows]
            screen.advance()
            # The ceilings are the best of a run: the machine may have been slow when it began.
            now = machine.ceilings(size, rounds)
            record["ceilings"] = {what: max(best, now[what]) for what, best in record["ceilings"].items()}
            if options.json:
                options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--suite", nargs="+", choices=SUITES, default=list(SUITES), metavar="SUITE", help=", ".join(SUITES)
    )
    parser.add_argument("--quick", action="store_true", help="small arrays and few rounds: does it run?")
    parser.add_argument(
        "--rounds", type=int, help=f"rounds of each suite; {ROUNDS} by default, {QUICK_ROUNDS} if quick"
    )
    parser.add_argument("--json", type=Path, help="where to store the figures, every sample included")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="which peers; none if empty")
    parser.add_argument("--device", choices=("cpu", "gpu", "tpu"), help="the backend; by default what jax chooses")
    options = parser.parse_args(arguments)
    if options.device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    # Elsewhere jax prefers an accelerator by itself.
    if options.device not in (None, jax.default_backend()):
        parser.error(f"--device {options.device}: jax finds only a {jax.default_backend()} here")
    return options


def chosen(suites: Iterable[Suite], peers: list[str]) -> Iterator[Suite]:
    """The suites without the cases of peers that were not asked for. A case begins with the name of its peer."""
    unwanted = tuple(set(PEERS) - set(peers))

    def is_wanted(name: str) -> bool:
        return not name.startswith(unwanted) if unwanted else True

    for suite in suites:
        reference = next(iter({**suite.cases, **suite.measured}))
        cases = {name: case for name, case in suite.cases.items() if name == reference or is_wanted(name)}
        yield suite._replace(
            cases=cases,
            measured={
                name: seconds for name, seconds in suite.measured.items() if name == reference or is_wanted(name)
            },
            missing=tuple(name for name in suite.missing if is_wanted(name)),
        )


def timed(suite: Suite, rounds: int, watch: Callable[[list[Row]], None]) -> list[Row]:
    """The rows of a suite; `watch` sees them grow with every round."""
    prepared = prepare(suite.cases)
    facts = {name: case.facts for name, case in prepared.items()}
    seconds = sample(prepared, rounds, lambda seconds: watch(summarize(suite, seconds, facts)))
    return summarize(suite, seconds, facts)
