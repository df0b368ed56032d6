"""The tool on real tables, five outer splits each, and what they say together.

    python -m examples.cocktail.fetch ...                        (see there)
    python -m examples.cocktail.study --tables DIR --work DIR    run what is missing, table by table
    python -m examples.cocktail.study --work DIR --publish       write study.json, study.png and README.md

Every part is stored when it is done, so a run that was killed goes on behind it.
"""

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import sklearn
from rich.progress import Progress

from ..compare.__main__ import bar
from . import page
from .ledger import Ledger
from .prepare import NUM_SPLITS, load, profile
from .search import KEEP, Size, described, size_for
from .tool import Run, configure

TABLES = (
    "wine", "Sonar", "Ionosphere", "PimaIndiansDiabetes2", "breast-cancer", "HouseVotes84", "breast_cancer", "credit-g",
    "BreastCancer", "Vehicle", "Glass", "Vowel", "Satellite", "segment-challenge", "DNA", "digits",
)  # fmt: skip
SIZE = Size(lanes=16, finalists=1, epochs=16, steps_per_epoch=12)
MOST_ROWS, SEED = 800, 0
FEWER = (4, 8)
"""Smaller numbers of lanes, for the cocktails."""


def run_table(name: str, tables: Path, work: Path, progress: Progress, parts: str) -> None:
    """Store the parts of one table: what every method reaches, or what cocktails reach with fewer lanes."""
    table = load(str(tables / f"{name}.csv"), "target", MOST_ROWS)
    ledger = Ledger(work / f"{name}.jsonl", {"profile": profile(table), "size": SIZE._asdict(), "seed": SEED})
    task = progress.add_task(name, total=None)

    def show(what: str, done: float, total: float) -> None:
        progress.update(task, description=f"{name}: {what}", completed=round(done), total=round(total) or None)

    run = Run(table, SIZE, SEED, ledger, show)
    if parts == "scores":
        ledger.get("scores", run.scores)
    elif "scores" in ledger:
        curve = {str(number): [with_fewer(run, split, number) for split in range(NUM_SPLITS)] for number in FEWER}
        ledger.get("lanes", lambda: curve)
    progress.update(task, description=name, completed=1, total=1)


def with_fewer(run: Run, split: int, number: int) -> dict[str, Any]:
    """What the search finds in the first lanes alone; nothing is trained where the whole search tells."""
    whole = run.arm("cocktail", split)
    quarter = np.array(whole["quarter"][:number])
    survivors = np.argsort(-quarter, kind="stable")[: max(1, int(np.ceil(number * KEEP)))].astype(str)
    if set(survivors) <= set(whole["full"]):
        best = max(survivors, key=lambda lane: whole["full"][lane])
        if best == max(whole["full"], key=lambda lane: whole["full"][lane]):
            return {"single": whole["single"], "bagged": whole["bagged"]}
    found = run.arm("cocktail", split, number)
    return {"single": found["single"], "bagged": found["bagged"]}


def record_of(work: Path) -> dict[str, Any]:
    """What the finished tables found, without the merits of single lanes."""
    tables = {}
    for name in TABLES:
        path = work / f"{name}.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
        parts = {line["name"]: line["result"] for line in lines[1:]}
        if "scores" in parts:
            tables[name] = {"profile": lines[0]["run"]["profile"], **shortened(parts["scores"])}
            tables[name] |= {"lanes": parts["lanes"]} if "lanes" in parts else {}
    return {
        "command": "python -m examples.cocktail.study --tables DIR --work DIR",
        "versions": {"python": platform.python_version(), "jax": jax.__version__, "sklearn": sklearn.__version__},
        "size": SIZE._asdict(),
        "most_rows": MOST_ROWS,
        "default_lanes": size_for(3.0, 3000).lanes,
        "seed": SEED,
        "tables": tables,
    }


def shortened(scores: dict[str, Any]) -> dict[str, Any]:
    kept = "setting", "single", "bagged", "test", "validation", "seconds", "cpu_seconds"
    short = lambda part: {key: part[key] for key in kept if key in part}  # noqa: E731
    arms = {
        arm: [short(part) | {"setting": described(part["setting"])} for part in parts]
        for arm, parts in scores["arms"].items()
    }
    return {"arms": arms, "rivals": {name: list(map(short, parts)) for name, parts in scores["rivals"].items()}}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.cocktail.study", description=__doc__)
    parser.add_argument("--tables", type=Path, help="the folder of the CSV files")
    parser.add_argument("--work", type=Path, required=True, help="a folder for what is finished")
    parser.add_argument("--publish", action="store_true", help="write the record, the picture and the page instead")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to publish")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=TABLES, help="these tables")
    options = parser.parse_args(arguments)
    if options.publish:
        record = record_of(options.work)
        if not record["tables"]:
            parser.error(f"argument --work: {options.work} has no finished table")
        (options.out / "study.json").write_text(json.dumps(record, indent=1) + "\n")
        page.write(record, options.out)
        return 0
    if options.tables is None:
        parser.error("argument --tables: needed, but with --publish")
    options.work.mkdir(parents=True, exist_ok=True)
    with bar() as progress:
        for parts in ("scores", "lanes"):
            for name in options.only:
                run_table(name, options.tables, options.work, progress, parts)
    return 0


if __name__ == "__main__":
    configure()
    sys.exit(main())
