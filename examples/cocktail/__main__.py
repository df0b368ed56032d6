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
from .prepare import FEWEST_ROWS, Table, load, profile


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
    from .search import QUICK, size_for
    from .tool import Run

    size = QUICK if options.quick else size_for(options.minutes, len(table.x))
    console = Console() if Console().is_terminal else Console(width=110)
    for note in table.notes:
        console.print(f"{table.name}: {note}", soft_wrap=True, markup=False)
    found = profile(table)
    console.print(
        f"{found['rows']} rows, {found['inputs']} inputs, {found['missing']:.1%} of the cells missing, classes "
        f"{found['classes']}; {size.lanes} settings of each method, runs of {size.epochs * size.steps_per_epoch} steps",
        soft_wrap=True,
        markup=False,
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


def digest(table: Table) -> str:
    content = hashlib.sha256(table.x.tobytes() + table.labels.tobytes())
    return content.hexdigest()[:16]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.cocktail", description=__doc__)
    parser.add_argument("--data", required=True, help=f"a file ({', '.join(ENDINGS)}), or .npz with arrays x and y")
    parser.add_argument("--target", help="the column to predict, of classes")
    parser.add_argument(
        "--minutes", type=positive, default=3.0, help="about how long two free cores may take (default 3)"
    )
    parser.add_argument("--rows", type=enough, default=3000, help="rows to use, at most (default 3000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few and short runs: does it work?")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for all that is written")
    return parser.parse_args(arguments)


def positive(text: str) -> float:
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0; got {text}")
    return value


def enough(text: str) -> int:
    value = int(text)
    if value < FEWEST_ROWS:
        raise argparse.ArgumentTypeError(f"must be at least {FEWEST_ROWS}; got {text}")
    return value


if __name__ == "__main__":
    from .tool import configure

    configure()
    sys.exit(main())
