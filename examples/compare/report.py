"""What the study prints, draws and stores."""

import json
import platform
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from jreg import diagnose, train

from ..intervals import interval
from .data import Dataset
from .recipes import RECIPES
from .study import Row, Settings

WORSE, SAME, BETTER = "worse", "no different", "better"


def table(rows: list[Row], data: Dataset) -> Table:
    shown = score_name(data)
    grid = Table(
        title=f"{data.name}: what validation chose, means over {len(rows[0].outcome.test)} seeds",
        caption=f'"none (residual)" is the baseline of stochastic depth, "none" that of the others; {floor(data)}',
    )
    columns = ("strength", f"train {shown}", f"test {shown} ± 95 %", "gap", "epochs", "exact zeros", "s/model")
    grid.add_column("recipe")
    for column in columns:
        grid.add_column(column, justify="left" if column == "strength" else "right")
    for row in rows:
        outcome = row.outcome
        grid.add_row(
            row.recipe.name,
            row.setting.describe(),
            f"{outcome.train.mean():.3f}",
            f"{outcome.test.mean():.3f} ± {interval(outcome.test):.3f}",
            f"{row.gap.mean():.3f}",
            f"{outcome.epochs.mean():.0f}",
            f"{outcome.zeros.mean():.1%}",
            f"{row.seconds:.3f}",
        )
    return grid


def score_name(data: Dataset) -> str:
    if not data.is_classification:
        return "R²"
    return "balanced accuracy" if data.is_uneven else "accuracy"


def floor(data: Dataset) -> str:
    """What a network must beat."""
    if not data.is_classification:
        return "the mean of the target would have R² 0"
    if data.is_uneven:
        return f"the largest class alone would have {1 / data.test_y.shape[1]:.3f} (plain accuracy {data.majority:.3f})"
    return f"the largest class alone would have {data.majority:.3f}"


def compared(rows: list[Row]) -> dict[str, tuple[str, float, float]]:
    """Per recipe: the judgement, and the mean difference to its baseline with its interval, paired by seed."""
    tests = {row.recipe.name: row.outcome.test for row in rows}
    found = {}
    for row in rows:
        name, baseline = row.recipe.name, row.recipe.baseline
        if name != baseline:
            difference = tests[name] - tests[baseline]
            mean, half = float(difference.mean()), interval(difference)
            found[name] = (BETTER if mean > half else WORSE if mean < -half else SAME, mean, half)
    return found


def verdict(rows: list[Row], data: Dataset) -> str:
    """One sentence: which recipes beat "none" beyond the interval, and by how much; which do not; which are worse."""
    found = compared(rows)

    def listed(judgement: str) -> str:
        names = sorted((name for name in found if found[name][0] == judgement), key=lambda name: -found[name][1])
        return ", ".join(f"{name} ({found[name][1]:+.3f} ± {found[name][2]:.3f})" for name in names) or "nothing"

    return (
        f"In test {score_name(data)}, paired by seed and beyond the 95 % interval of each difference, {listed(BETTER)} "
        f'beat "none"; no difference shows for {listed(SAME)}; worse than "none" is {listed(WORSE)}.'
    )


def diagnosis(rows: list[Row]) -> str:
    """What the loss curves of the unregularized network say, over its seeds."""
    none = rows[0].outcome
    found = diagnose.curves(none.train_curve, none.valid_curve)
    return f'Loss of "none": {found.describe("epoch")}'


def draw(rows: list[Row], data: Dataset, path: Path) -> None:
    """The gaps as differences to that of "none", paired by seed, and the learning curves of the worst and the best."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (gaps, curves) = pyplot.subplots(1, 2, figsize=(13, 5), layout="constrained")
    order = sorted(rows, key=lambda row: -float(row.gap.mean()))
    diagnose.plot_gaps(gap_table(order), "gap", axes=gaps)
    gaps.set_title(f"{data.name}: the gap is train minus test {score_name(data)}", fontsize="medium")
    by_test = sorted(rows, key=lambda row: float(row.outcome.test.mean()))
    for row in (by_test[0], by_test[-1]):
        diagnose.plot_curves(row.outcome.train_curve, row.outcome.valid_curve, label=row.recipe.name, axes=curves)
    curves.set_yscale("log")
    curves.set_ylabel("loss without noise, mean over seeds")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_gains(tests: dict[str, np.ndarray], score: str, path: Path) -> None:
    """How much each recipe gains on the test rows over its baseline, paired by seed, the largest gain first."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.2), layout="constrained")
    diagnose.plot_gaps(gain_table(tests), "gain", axes=axes)
    axes.set_xlabel(f"test {score}: gain over no regularization, paired by seed, 95 % interval")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def gain_table(tests: dict[str, np.ndarray]) -> train.Table:
    kept = [recipe for recipe in RECIPES if recipe.name in tests and recipe.name != "none (residual)"]
    gains = {recipe.name: tests[recipe.name] - tests[recipe.baseline] for recipe in kept}
    names = sorted(gains, key=lambda name: -gains[name].mean())
    return train.tabulate(
        {"recipe": np.array(names)},
        {"gain": np.stack([gains[name] for name in names])},
        by="gain",
        baseline=names.index("none"),
    )


def gap_table(rows: list[Row]) -> train.Table:
    """All rows met the same seeds, and so the same training rows."""
    names = [row.recipe.name for row in rows]
    gaps = np.stack([row.gap for row in rows])
    return train.tabulate(
        {"recipe": np.array(names)}, {"gap": gaps}, by="gap", mode="min", baseline=names.index("none")
    )


def store(rows: list[Row], data: Dataset, settings: Settings, seconds: float, path: Path) -> None:
    found = compared(rows)
    record = {
        "data": {"name": data.name, "rows": len(data.pool_x) + len(data.test_x), "columns": data.pool_x.shape[1]},
        "score": score_name(data),
        "settings": settings._asdict(),
        "machine": {
            "platform": platform.platform(),
            "devices": [str(device) for device in jax.devices()],
            "python": platform.python_version(),
            "jax": jax.__version__,
        },
        "seconds": seconds,
        "verdict": verdict(rows, data),
        "recipes": [_record(row, found.get(row.recipe.name)) for row in rows],
    }
    path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


def _record(row: Row, comparison: tuple[str, float, float] | None) -> dict[str, Any]:
    outcome = row.outcome
    return {
        "recipe": row.recipe.name,
        "architecture": row.recipe.architecture,
        "strength": {name: value for name, value in row.setting._asdict().items() if np.isfinite(value)},
        "train": outcome.train.tolist(),
        "valid": outcome.valid.tolist(),
        "test": outcome.test.tolist(),
        "test_mean": float(outcome.test.mean()),
        "test_interval": interval(outcome.test),
        "gap_mean": float(row.gap.mean()),
        "gap_interval": interval(row.gap),
        "epochs": outcome.epochs.tolist(),
        "exact_zeros": float(outcome.zeros.mean()),
        "seconds_per_model": row.seconds,
        "against_none": comparison and dict(zip(("judgement", "difference", "interval"), comparison, strict=True)),
        "train_loss": _without_nan(outcome.train_curve.mean(0)),
        "valid_loss": _without_nan(outcome.valid_curve.mean(0)),
    }


def _without_nan(curve: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in curve]


def wide_console() -> Console:
    """Tables need their width also where the output is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=140)
