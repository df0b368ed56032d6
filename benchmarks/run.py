"""Time the suites, print a table for each while the next one runs, and store every sample with --json."""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from . import machine
from .measure import Suite, is_told_apart, prepare, sample, summarize
from .suites import PEERS, SUITES

ROUNDS, QUICK_ROUNDS = 30, 2


def main(arguments: list[str]) -> int:
    options = parsed(arguments)
    if options.device:
        jax.config.update("jax_platforms", {"gpu": "cuda"}.get(options.device, options.device))
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    size = 1 if options.quick else machine.megabytes()
    record: dict[str, Any] = {
        "machine": machine.machine(),
        "settings": {"quick": options.quick, "rounds": rounds, "megabytes": size, "suites": options.suite},
        "ceilings": machine.ceilings(size, rounds),
        "rows": [],
    }
    console = report_console()
    console.print(f"{machine.label(record['machine'])}: {ceilings_in_words(record['ceilings'])}")
    with progress(console) as bar:
        task = bar.add_task("", total=len(options.suite))
        for name in options.suite:
            bar.update(task, description=name)
            for suite in chosen(SUITES[name].suites(options.quick, size, rounds), options.peers):
                record["rows"] += [{"family": name, **row} for row in timed(suite, rounds, console)]
            bar.advance(task)
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
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="which peers; none if empty")
    parser.add_argument("--device", choices=("cpu", "gpu", "tpu"), help="the backend; by default what jax chooses")
    return parser.parse_args(arguments)


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


def timed(suite: Suite, rounds: int, console: Console) -> list[dict[str, Any]]:
    prepared = prepare(suite.cases)
    rows = summarize(suite, sample(prepared, rounds), {name: case.facts for name, case in prepared.items()})
    console.print(table(suite, rows))
    return rows


def table(suite: Suite, rows: list[dict[str, Any]]) -> Table:
    notes = ["~ not told apart from the reference"] if any(is_vague(row) for row in rows[1:]) else []
    notes += [f"not installed: {', '.join(suite.missing)}"] if suite.missing else []
    grid = Table(title=suite.name, caption="; ".join(notes) or None)
    columns = {
        "fastest ms": "fastest_ms",
        "ratio of fastest": "fastest_ratio",
        "ratio of medians": "median_ratio",
        "budget": "budget",
        "temporary MiB": "temporary_mib",
        "compile s": "compile_s",
        f"{suite.unit}/s": "per_second",
    }
    columns = {title: field for title, field in columns.items() if any(row[field] is not None for row in rows)}
    grid.add_column("case")
    for title in columns:
        grid.add_column(title, justify="right")
    for row in rows:
        cells = ["" if row[field] is None else f"{row[field]:.2f}" for field in columns.values()]
        grid.add_row(row["case"] + (" ~" if row is not rows[0] and is_vague(row) else ""), *cells)
    return grid


def is_vague(row: dict[str, Any]) -> bool:
    return not is_told_apart(row)


def ceilings_in_words(found: dict[str, float]) -> str:
    return (
        f"copies {found['bytes_per_second'] / 1e9:.3g} GB/s, "
        f"multiplies float32 matrices at {found['flops_per_second'] / 1e9:.4g} GFLOP/s"
    )


def progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def report_console() -> Console:
    """Names in full also where the output is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=120)
