"""Results of one or several machines as one Markdown page with pictures, and as the README's rows on speed."""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from . import machine, pictures
from .measure import ceiling_share, is_told_apart
from .suites.peers import PEERS

FOLDER = Path(__file__).parent / "results"
MARKERS = ("<!-- bench -->\n", "<!-- /bench -->")

# What the README shows of each suite: the case of ours, and what it is best compared with.
HEADLINES = {
    "dropout forward and backward, float32, 64 MB": ("jreg.noise.dropout", "flax.nnx", "flax.nnx, philox2x32 key"),
    "transformer gradient, 4 layers, d 256, T 128, B 16, 17 sites": (
        "jreg.noise.dropout",
        "flax.linen",
        "flax.linen, philox2x32 key",
    ),
    "batch norm forward and backward, 64 MiB": (
        "jreg.norm.batch_norm",
        "flax.linen, one pass",
        "flax.linen, two passes",
    ),
    "optimizer update, 4 x 2048 x 2048": ("with_decoupled_decay", "torch compiled AdamW"),
    "one of 192 networks of 60 epochs": (
        "jreg, one program",
        "torch, whole tensors, 1 thread",
        "torch, DataLoader, 2 threads",
    ),
}

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
        renew(options.readme, headlines(records[0]))
    return 0


def page(records: list[Record], drawn: list[Path]) -> str:
    images = "\n".join(f"![{path.stem}]({path.name})" for path in drawn)
    return f"""# Benchmarks

Written by `python -m benchmarks report`. Every number is a ratio to the first case of its suite, measured in the same
minutes: of the fastest runs, and in parentheses of the medians. A tilde marks what was not told apart from that
reference in its run: its 95 % interval holds 1. What misses its budget says so. *Ceiling* is the share that a case
reached of the machine's own copy or matrix product, whichever is nearer: above 100 % its arrays were in cache. *MiB* is
the temporary memory of the compiled case.

{machines(records)}
{images}

## Budgets, on the first machine

{budgets(records[0])}
## Every suite

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
    """One table per suite, with three columns per machine."""
    headings = [f"{machine.label(record['machine'])} | ceiling | MiB" for record in records]
    for suite in ordered(row["suite"] for record in records for row in record["rows"]):
        found = [{row["case"]: row for row in record["rows"] if row["suite"] == suite} for record in records]
        lines = [f"| {suite} | {' | '.join(headings)} | budget |", "|---|" + "---|" * (3 * len(records) + 1)]
        for case in ordered(case for rows in found for case in rows):
            rows = [rows.get(case) for rows in found]
            budget = next((row["budget"] for row in rows if row and row["budget"] is not None), None)
            cells = (
                cells_of(row, record["ceilings"]) if row else " |  | "
                for row, record in zip(rows, records, strict=True)
            )
            lines.append(f"| {case} | {' | '.join(cells)} | {'' if budget is None else f'{budget:g}'} |")
        yield "\n".join(lines) + "\n"


def cells_of(row: Row, ceilings: dict[str, float]) -> str:
    share = ceiling_share(row, ceilings)
    memory = "" if row["temporary_mib"] is None else f"{row['temporary_mib']:.0f}"
    return f"{cell(row)} | {'' if share is None else f'{share:.0%}'} | {memory}"


def cell(row: Row) -> str:
    vague = "" if row["fastest_ratio"] == 1.0 or is_told_apart(row) else " ~"
    missed = ", missed" if is_missed(row) else ""
    return f"{row['fastest_ratio']:.2f} ({row['median_ratio']:.2f}){vague}{missed}"


def is_missed(row: Row) -> bool:
    return row["budget"] is not None and min(row["fastest_ratio"], row["median_ratio"]) > row["budget"]


def headlines(record: Record) -> str:
    """What the README shows: five suites in five rows, ours beside what a reader would use instead."""
    lines = ["| measured | in units of | jreg | beside it |", "|---|---|---|---|"]
    for suite, (ours, *others) in HEADLINES.items():
        rows = {row["case"]: row for row in record["rows"] if row["suite"] == suite}
        if {ours, *others} <= rows.keys():
            beside = "; ".join(f"{case}: {both_ratios(rows[case])}" for case in others)
            lines.append(f"| {suite} | `{next(iter(rows))}` | {both_ratios(rows[ours])} | {beside} |")
    return "\n".join(lines) + "\n"


def both_ratios(row: Row) -> str:
    """Of the fastest runs, and of the medians."""
    return f"{row['fastest_ratio']:.2f}, {row['median_ratio']:.2f}"


def budgets(record: Record) -> str:
    """Every row with a budget beside the fastest peer of its suite, and what loses."""
    header = ("suite", "case", "ratio of fastest", "of medians", "to", "budget", "fastest peer", "its ratios")
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for suite in ordered(row["suite"] for row in record["rows"] if row["budget"] is not None):
        rows = [row for row in record["rows"] if row["suite"] == suite]
        peer = min(filter(is_peer, rows[1:]), key=lambda row: row["median_ratio"], default=None)
        beside = f"`{peer['case']}` | {both_ratios(peer)}" if peer else " | "
        for row in rows:
            if row["budget"] is not None:
                ratios = f"{row['fastest_ratio']:.2f} | {row['median_ratio']:.2f} | `{rows[0]['case']}`"
                lines.append(f"| {suite} | `{row['case']}` | {ratios} | {row['budget']:g} | {beside} |")
    missed, beaten = (listed(found) for found in (lost(record["rows"]), faster_peers(record["rows"])))
    return "\n".join(lines) + f"\n\nWhere a budget is missed:\n{missed}\nWhere a peer is faster:\n{beaten}"


def listed(found: Iterable[str]) -> str:
    return "".join(f"- {line}\n" for line in found) or "- nowhere\n"


def is_peer(row: Row) -> bool:
    """Whether a peer alone does the work: a case with a key of ours is half ours."""
    return row["case"].startswith(PEERS) and "hash_prng" not in row["case"]


def faster_peers(rows: list[Row]) -> Iterator[str]:
    """Peers that beat every case of ours in their suite, beyond noise."""
    for suite in ordered(row["suite"] for row in rows):
        reference, *others = (row for row in rows if row["suite"] == suite)
        if reference["case"].startswith("jreg"):
            others.append(reference)
        ours = sorted(
            (row for row in others if not row["case"].startswith(PEERS) and row["interval"]),
            key=lambda row: row["median_ratio"],
        )
        for row in filter(is_peer, others):
            if ours and row["interval"] and row["interval"][1] < ours[0]["interval"][0]:
                yield f"`{row['case']}` ({suite}): {row['median_ratio']:.2f} against {ours[0]['median_ratio']:.2f}"


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
