"""Results of one or several machines as one Markdown page with pictures, and as the README's section on speed."""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from . import machine, pictures
from .measure import is_told_apart

FOLDER = Path(__file__).parent / "results"
MARKERS = ("<!-- bench -->\n", "<!-- /bench -->")

Record = dict[str, Any]
Row = dict[str, Any]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks report", description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", help="files that --json wrote")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the page and the pictures go")
    parser.add_argument("--readme", type=Path, help="a file whose section on speed is renewed from the first result")
    options = parser.parse_args(arguments)
    records = [json.loads(path.read_text()) for path in options.results]
    options.out.mkdir(parents=True, exist_ok=True)
    drawn = pictures.draw(records, options.out)
    (options.out / "report.md").write_text(page(records, drawn))
    if options.readme:
        renew(options.readme, section(records[0]))
    return 0


def page(records: list[Record], drawn: list[Path]) -> str:
    images = "\n".join(f"![{path.stem}]({path.name})" for path in drawn)
    return f"""# Benchmarks

Written by `python -m benchmarks report`. Every number is a ratio to the first case of its suite, measured in the same
minutes: of the fastest runs, and in parentheses of the medians. A tilde marks what was not told apart from that
reference in its run: its 95 % interval holds 1. What misses its budget says so.

{machines(records)}
{images}

{"".join(f"{lines}{chr(10)}" for lines in tables(records))}"""


def machines(records: list[Record]) -> str:
    lines = ["| machine | copies, GB/s | matrix product, GFLOP/s | versions | commit |", "|---|---|---|---|---|"]
    for record in records:
        found, ceilings = record["machine"], record["ceilings"]
        versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
        numbers = f"{ceilings['bytes_per_second'] / 1e9:.3g} | {ceilings['flops_per_second'] / 1e9:.4g}"
        lines.append(f"| {machine.label(found)} | {numbers} | {versions} | {found['commit']} |")
    return "\n".join(lines) + "\n"


def tables(records: list[Record]) -> Iterator[str]:
    """One table per suite, with a column per machine."""
    labels = [machine.label(record["machine"]) for record in records]
    for suite in ordered(row["suite"] for record in records for row in record["rows"]):
        found = [{row["case"]: row for row in record["rows"] if row["suite"] == suite} for record in records]
        cases = ordered(case for rows in found for case in rows)
        lines = [f"| {suite} | {' | '.join(labels)} | budget |", "|---|" + "---|" * (len(labels) + 1)]
        for case in cases:
            rows = [rows.get(case) for rows in found]
            budget = next((row["budget"] for row in rows if row and row["budget"] is not None), None)
            cells = " | ".join(cell(row) if row else "" for row in rows)
            lines.append(f"| {case} | {cells} | {'' if budget is None else f'{budget:g}'} |")
        yield "\n".join(lines) + "\n"


def cell(row: Row) -> str:
    vague = "" if row["fastest_ratio"] == 1.0 or is_told_apart(row) else " ~"
    missed = ", missed" if is_missed(row) else ""
    return f"{row['fastest_ratio']:.2f} ({row['median_ratio']:.2f}){vague}{missed}"


def is_missed(row: Row) -> bool:
    return row["budget"] is not None and min(row["fastest_ratio"], row["median_ratio"]) > row["budget"]


def section(record: Record) -> str:
    """What the README shows: every row with a budget, beside the peers of its suite, and every row that loses."""
    rows = record["rows"]
    with_budget = {row["suite"] for row in rows if row["budget"] is not None}
    references = {suite: next(row["case"] for row in rows if row["suite"] == suite) for suite in with_budget}
    lines = ["| suite | case | ratio of fastest | ratio of medians | to | budget |", "|---|---|---|---|---|---|"]
    for row in rows:
        reference = references.get(row["suite"])
        if reference is None or row["case"] == reference:
            continue
        ratios = f"{row['fastest_ratio']:.2f} | {row['median_ratio']:.2f}"
        budget = "" if row["budget"] is None else f"{row['budget']:g}"
        lines.append(f"| {row['suite']} | `{row['case']}` | {ratios} | `{reference}` | {budget} |")
    losses = "; ".join(lost(rows))
    return "\n".join(lines) + f"\n\nWhere a budget is missed: {losses or 'nowhere'}.\n"


def lost(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        if is_missed(row):
            ratio = min(row["fastest_ratio"], row["median_ratio"])
            yield f"`{row['case']}` ({row['suite']}): {ratio:.2f} for {row['budget']:g}"


def renew(path: Path, text: str) -> None:
    before, rest = path.read_text().split(MARKERS[0])
    path.write_text(before + MARKERS[0] + text + MARKERS[1] + rest.split(MARKERS[1])[1])


def ordered(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
