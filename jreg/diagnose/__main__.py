"""Say what a training history shows: its state, since when, and what to try first; and draw it.

python -m jreg.diagnose history.csv [--mode max] [--baseline 0.1] [--out picture.png]

The file has the columns epoch, train and valid, or others named by --train and --valid, and seed if it holds several
runs. A text chart needs nothing; --out draws a picture with matplotlib.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from ._curves import Diagnosis, curves
from ._history_file import FileError, FileHistory, read_history
from ._text_chart import draw


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        history = read_history(options.file, options.train, options.valid)
        found = curves(history.train, history.valid, baseline=options.baseline, mode=options.mode)
        print(_shifted(found, history.first_epoch).describe("epoch"))
        print(draw(_mean(history.train), _mean(history.valid), int(found.onset), history.first_epoch))
        if options.out:
            _picture(history, options)
    except (FileError, OSError, ModuleNotFoundError, ValueError) as error:
        print(f"diagnose: {error}", file=sys.stderr)
        return 2
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m jreg.diagnose",
        description=summary,
        epilog=rest.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="a .csv file")
    parser.add_argument("--train", default="train", help="the column of training values (train)")
    parser.add_argument("--valid", default="valid", help="the column of validation values (valid)")
    parser.add_argument("--mode", choices=("min", "max"), default="min", help="whether lower or higher is better (min)")
    parser.add_argument("--baseline", type=float, help="what a model that fits must beat, such as the majority class")
    parser.add_argument("--out", help="a picture to write, such as curves.png")
    return parser.parse_args(arguments)


def _shifted(found: Diagnosis, first: int) -> Diagnosis:
    """With the file's own numbers of the epochs; -1 stays none."""
    return found._replace(
        best_step=np.where(found.best_step < 0, -1, found.best_step + first),
        onset=np.where(found.onset < 0, -1, found.onset + first),
    )


def _mean(values: np.ndarray) -> np.ndarray:
    is_number = ~np.isnan(values)
    count = is_number.sum(0)
    return np.where(count > 0, np.where(is_number, values, 0.0).sum(0) / np.maximum(count, 1), np.nan)


def _picture(history: FileHistory, options: argparse.Namespace) -> None:
    from ._plots import plot_curves

    axes = plot_curves(history.train, history.valid, baseline=options.baseline, mode=options.mode, metric=options.valid)
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick < history.train.shape[1]]
    axes.set_xticks(ticks, [f"{tick + history.first_epoch:g}" for tick in ticks])
    axes.figure.savefig(options.out, dpi=120)
    print(f"Wrote {options.out}.")


if __name__ == "__main__":
    sys.exit(main())
