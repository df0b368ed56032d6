"""The command: read the table, run the study, print, draw and store what it found."""

import argparse
import os
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .data import MOST_TRAINING_ROWS, DataError, load, split_sizes
from .tables import ENDINGS


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    start = time.perf_counter()
    try:
        data = load(options.data, options.target)
        split_sizes(data, options.train_rows)
        options.out.mkdir(parents=True, exist_ok=True)
    except (DataError, OSError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    # A bad file is told before the seconds that these imports take.
    from . import report, study

    settings = study.Settings(
        num_seeds=options.seeds or (3 if options.quick else 20),
        epochs=options.epochs or (10 if options.quick else 100),
        training_rows=options.train_rows,
        is_quick=options.quick,
    )
    console = report.wide_console()
    for note in data.notes:
        console.print(f"{data.name}: {note}", soft_wrap=True)
    with bar() as progress:
        task = progress.add_task("starting", total=None)

        def show(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        rows = study.run(data, settings, show)
    console.print(report.table(rows, data))
    console.print(report.verdict(rows, data), soft_wrap=True)
    console.print(report.diagnosis(rows), soft_wrap=True)
    report.draw(rows, data, options.out / "compare.png")
    tests = {row.recipe.name: row.outcome.test for row in rows}
    report.draw_gains(tests, report.score_name(data), options.out / "gains.png")
    report.store(rows, data, settings, time.perf_counter() - start, options.out / "compare.json")
    console.print(f"Wrote compare.png, gains.png and compare.json to {options.out}.")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.compare", description=__doc__)
    parser.add_argument(
        "--data", help=f"a file ({', '.join(ENDINGS)}), or an .npz file with arrays x and y; digits if not given"
    )
    parser.add_argument("--target", help="the column to predict")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for the pictures and compare.json")
    parser.add_argument("--quick", action="store_true", help="one strength per recipe, few seeds and epochs")
    parser.add_argument("--seeds", type=positive, help="runs of each setting (default 20)")
    parser.add_argument("--epochs", type=positive, help="epochs of each run (default 100)")
    parser.add_argument("--train-rows", type=positive, default=MOST_TRAINING_ROWS, help="rows to train on, at most")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    value = int(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"must be at least 2; got {value}")
    return value


def bar() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


if __name__ == "__main__":
    import jax

    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    sys.exit(main())
