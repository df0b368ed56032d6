"""A forest plot of paired differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._core.checks import Checks, shown
from ._axes import DARK, valid_axes, without_frame


def plot_gaps(table: Any, score: str, *, axes: Any = None) -> Any:
    """Draw the paired difference of each setting to the baseline, with its 95 % interval: a forest plot.

    Bars of two means with intervals mislead where the settings met the same seeds: they overlap although every seed
    prefers the one. A filled point is a difference told apart from 0, a hollow one is not; the square is the baseline.

    Args:
      table: a table of `train.tabulate` that was given a `baseline`.
      score: the name of one of its scores, such as the gap between training and validation.
      axes: where to draw; None makes a figure.

    Returns:
      The axes.

    Raises:
      TypeError: no table of `train.tabulate`.
      ValueError: a table without a baseline, or without that score.
      ModuleNotFoundError: without matplotlib.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose, train
    >>> gaps = {"gap": jnp.array([[0.2, 0.3], [0.1, 0.21]])}
    >>> table = train.tabulate({"rate": jnp.array([0.0, 0.5])}, gaps, by="gap", mode="min", baseline=0)
    >>> [text.get_text() for text in diagnose.plot_gaps(table, "gap").get_yticklabels()]
    ['rate 0', 'rate 0.5']
    """
    check = Checks("plot_gaps")
    valid_table(check, table)
    if not table.differences:
        raise ValueError("plot_gaps: table must have differences; give train.tabulate a baseline")
    if score not in table.differences:
        raise ValueError(f"plot_gaps: score must be one of {sorted(table.differences)}; got {shown(score)}")
    axes = valid_axes(check, axes)
    differences = np.asarray(table.differences[score])
    halves = np.nan_to_num(np.asarray(table.difference_intervals[score]))
    is_baseline = (differences == 0) & (halves == 0)
    is_apart = np.abs(differences) > halves
    axes.axvline(0.0, color="0.5", linewidth=1)
    for row, (difference, half) in enumerate(zip(differences, halves, strict=True)):
        axes.errorbar(
            difference,
            row,
            xerr=half or None,
            fmt="s" if is_baseline[row] else "o",
            color=DARK,
            markerfacecolor=DARK if is_apart[row] or is_baseline[row] else "white",
            markersize=7,
            elinewidth=1.8,
            capsize=4,
        )
    axes.set_yticks(range(len(differences)), row_names(table.settings))
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel(f"{score}: difference to the baseline, paired by seed, 95 % interval")
    without_frame(axes)
    return axes


def valid_table(check: Checks, table: Any) -> None:
    if not all(hasattr(table, name) for name in ("settings", "means", "differences", "is_tied")):
        raise TypeError(f"{check}: table must be a Table, from train.tabulate; got {shown(table)}")


def row_names(settings: dict[str, Any]) -> list[str]:
    """Each setting in words: names stand for themselves, numbers behind what they are of."""
    columns = [
        [str(value) if isinstance(value, str) else f"{name} {value:g}" for value in values]
        for name, values in settings.items()
    ]
    return [", ".join(cells) for cells in zip(*columns, strict=True)]
