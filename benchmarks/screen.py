"""What a run shows: a table for each suite that is done, and below them the running one and the progress."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .measure import Suite, ceiling_share, is_told_apart

Row = dict[str, Any]
COLUMNS = {
    "fastest ms": "fastest_ms",
    "ratio of fastest": "fastest_ratio",
    "ratio of medians": "median_ratio",
    "budget": "budget",
    "temporary MiB": "temporary_mib",
    "peak MiB": "peak_mib",
    "compile s": "compile_s",
}


class Screen:
    """Draws only when it is told to, since a thread of its own would run beside what is timed."""

    def __init__(self, num_suites: int) -> None:
        self.console = wide_console()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=self.console)
        self.task = self.progress.add_task("", total=num_suites)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> "Screen":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.live.stop()

    def begin(self, family: str) -> None:
        self.progress.update(self.task, description=family)
        self.show(self.progress)

    def advance(self) -> None:
        self.progress.advance(self.task)

    def running(self, suite: Suite, ceilings: Mapping[str, float], rows: Sequence[Row]) -> None:
        if self.live.is_started:
            self.show(Group(table(suite, ceilings, rows), self.progress))

    def finished(self, suite: Suite, ceilings: Mapping[str, float], rows: Sequence[Row]) -> None:
        self.console.print(table(suite, ceilings, rows))

    def show(self, drawn: Any) -> None:
        if self.live.is_started:
            self.live.update(drawn, refresh=True)


def table(suite: Suite, ceilings: Mapping[str, float], rows: Sequence[Row]) -> Table:
    notes = ["~ not told apart from the reference"] if any(is_vague(row) for row in rows[1:]) else []
    notes += [f"missing: {', '.join(suite.missing)}"] if suite.missing else []
    grid = Table(title=suite.name, caption="; ".join(notes) or None)
    columns = {**COLUMNS, f"{suite.unit}/s": "per_second"}
    columns = {title: field for title, field in columns.items() if any(row[field] is not None for row in rows)}
    shares = [ceiling_share(row, ceilings) for row in rows]
    grid.add_column("case", no_wrap=True)
    for title in columns:
        grid.add_column(title, justify="right")
    if any(shares):
        grid.add_column("of ceiling", justify="right")
    for row, share in zip(rows, shares, strict=True):
        cells = ["" if row[field] is None else f"{row[field]:.2f}" for field in columns.values()]
        name = row["case"] + (" ~" if row is not rows[0] and is_vague(row) else "")
        cells += [f"{share:.0%}" if share else ""] if any(shares) else []
        grid.add_row(name, *cells)
    return grid


def is_vague(row: Row) -> bool:
    return not is_told_apart(row)


def ceilings_in_words(found: Mapping[str, float]) -> str:
    return (
        f"copies {found['bytes_per_second'] / 1e9:.3g} GB/s, "
        f"multiplies float32 matrices at {found['flops_per_second'] / 1e9:.4g} GFLOP/s"
    )


def wide_console() -> Console:
    """Names in full also where the output is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=160)
