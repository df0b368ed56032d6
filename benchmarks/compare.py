"""What became slower or faster between two result files, beyond the noise of both."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.table import Table

from .screen import wide_console


def main(arguments: list[str]) -> int:
    """Print the changes; the status is 1 if any case became slower."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks compare", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args(arguments)
    old, new = (json.loads(path.read_text()) for path in (options.old, options.new))
    found = changes(old["rows"], new["rows"])
    console = wide_console()
    for what in ("devices", "environment"):
        before, now = (record["machine"].get(what) for record in (old, new))
        if before != now:
            console.print(f"{what} differ: {before} and {now}")
    console.print(table(found) if found else "No case changed beyond noise.")
    for title, names in (("only in the old file", absent(old, new)), ("only in the new file", absent(new, old))):
        if names:
            console.print(f"{title}: {', '.join(names)}")
    return int(any(change["ratio"] > 1.0 for change in found))


def changes(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cases whose ratio to their reference moved so far that the two intervals do not meet, the worst first."""
    before = {(row["suite"], row["case"]): row for row in old}
    pairs = [(before[row["suite"], row["case"]], row) for row in new if (row["suite"], row["case"]) in before]
    moved = [
        {
            "suite": now["suite"],
            "case": now["case"],
            "old": then["median_ratio"],
            "new": now["median_ratio"],
            "ratio": now["median_ratio"] / then["median_ratio"],
        }
        for then, now in pairs
        if is_moved(then["interval"], now["interval"])
    ]
    return sorted(moved, key=lambda change: -change["ratio"])


def is_moved(old: list[float] | None, new: list[float] | None) -> bool:
    return old is not None and new is not None and (new[0] > old[1] or new[1] < old[0])


def absent(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    names = [{f"{row['suite']}: {row['case']}" for row in record["rows"]} for record in (one, other)]
    return sorted(names[0] - names[1])


def table(found: list[dict[str, Any]]) -> Table:
    grid = Table(title="changes beyond noise, as ratios to each suite's reference")
    for column in ("suite", "case"):
        grid.add_column(column)
    for column in ("old", "new", "new / old"):
        grid.add_column(column, justify="right")
    grid.add_column("")
    for change in found:
        verdict = "slower" if change["ratio"] > 1.0 else "faster"
        numbers = (f"{change[field]:.2f}" for field in ("old", "new", "ratio"))
        grid.add_row(change["suite"], change["case"], *numbers, verdict)
    return grid
