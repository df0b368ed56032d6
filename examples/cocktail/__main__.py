"""The command: read the table, search, print, draw, and write the recipe."""

import argparse
import hashlib
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

from ..compare.__main__ import bar
from ..compare.tables import ENDINGS, DataError
from .prepare import Table, load, profile

FEWEST_LANES, MOST_LANES = 16, 64
PASSES, FEWEST_STEPS, MOST_STEPS = 16, 240, 600
STEPS_PER_SECOND, SECONDS_BEFORE, RIVALS_SHARE = 1000.0, 30.0, 0.3
"""Of two free cores: steps of the search, seconds to compile, and the share of the rest that the rivals take."""


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    start = time.perf_counter()
    try:
        table = load(options.data, options.target, options.rows)
        options.out.mkdir(parents=True, exist_ok=True)
    except (DataError, OSError) as error:
        print(f"cocktail: {error}", file=sys.stderr)
        return 2
    # A bad file is told before the seconds that these imports take.
    import jax
    import sklearn
    from rich.console import Console

    from . import recipe, report
    from .ledger import Ledger
    from .tool import Run

    size, console = size_of(options, table), Console() if Console().is_terminal else Console(width=110)
    for note in table.notes:
        console.print(f"{table.name}: {note}", soft_wrap=True)
    found = profile(table)
    console.print(
        f"{found['rows']} rows, {found['inputs']} inputs, {found['missing']:.1%} of the cells missing, classes "
        f"{found['classes']}; {size.lanes} settings of each method, runs of {size.epochs * size.steps_per_epoch} steps",
        soft_wrap=True,
    )
    identity = {"table": digest(table), "size": size._asdict(), "seed": options.seed}
    ledger = Ledger(options.out / "cocktail.partial.jsonl", identity)
    if ledger.results:
        console.print(f"{len(ledger.results)} parts are done already.")
    with bar() as progress:
        task = progress.add_task("starting", total=None)

        def show(what: str, done: float, total: float) -> None:
            progress.update(task, description=what, completed=round(done), total=round(total))

        run = Run(table, size, options.seed, ledger, show)
        record: dict[str, Any] = {"profile": found, **identity, **run.scores()}
        record["recipe"] = run.recipe(record["arms"])
    record["verdict"] = report.verdict(report.scores_of(record))
    record["versions"] = {"python": platform.python_version(), "jax": jax.__version__, "sklearn": sklearn.__version__}
    console.print(report.score_table(record))
    console.print(report.ingredient_table(record))
    console.print(record["verdict"], soft_wrap=True)
    (options.out / "cocktail.json").write_text(json.dumps(record, indent=1) + "\n")
    report.draw(record, options.out / "cocktail.png")
    recipe.write(options.out, record["recipe"]["setting"], table, size, options.seed)
    ledger.path.unlink()
    seconds = time.perf_counter() - start
    console.print(f"Wrote cocktail.json, cocktail.png and recipe.py to {options.out} in {seconds:.0f} s.")
    return 0


def size_of(options: argparse.Namespace, table: Table) -> Any:
    """As many lanes as the minutes allow, by the speed of two free cores; the same on every machine."""
    from .search import Size

    if options.quick:
        return Size(lanes=4, finalists=1, epochs=4, steps_per_epoch=4)
    rows_of_fold = len(table.x) * 16 // 25
    steps = min(MOST_STEPS, max(FEWEST_STEPS, PASSES * rows_of_fold // 64))
    seconds = max(0.0, (60.0 * options.minutes - SECONDS_BEFORE) * (1.0 - RIVALS_SHARE))
    runs = seconds * STEPS_PER_SECOND / steps - 6 * 25
    lanes = int((runs / 15 - 8) / 0.4375) // FEWEST_LANES * FEWEST_LANES
    return Size(min(MOST_LANES, max(FEWEST_LANES, lanes)), 2, 20, steps // 20)


def digest(table: Table) -> str:
    content = hashlib.sha256(table.x.tobytes() + table.labels.tobytes())
    return content.hexdigest()[:16]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.cocktail", description=__doc__)
    parser.add_argument("--data", required=True, help=f"a file ({', '.join(ENDINGS)}), or .npz with arrays x and y")
    parser.add_argument("--target", help="the column to predict, of classes")
    parser.add_argument("--minutes", type=float, default=3.0, help="about how long two free cores may take (default 3)")
    parser.add_argument("--rows", type=int, default=3000, help="rows to use, at most (default 3000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few and short runs: does it work?")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for all that is written")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    from .tool import configure

    configure()
    sys.exit(main())
