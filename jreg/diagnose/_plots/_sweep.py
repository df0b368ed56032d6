"""Two strengths as a heat map."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._core.checks import Checks, shown
from ._axes import valid_axes
from ._gaps import valid_table

MOST_NUMBERS = 144
"""Cells in which numbers are still legible."""


def plot_sweep(table: Any, score: str, *, axes: Any = None) -> Any:
    """Draw the mean of a score over two strengths, with the best setting framed and its ties marked by ~.

    A setting is tied if the best does not beat it, paired by seed: see `train.tabulate`. Where many are, the choice
    among them is one of taste, and the weaker strength the simpler.

    Args:
      table: a table of `train.tabulate` over two hyperparameters, such as `train.grid` makes.
      score: the name of one of its scores. The best and its ties are those of the score that decided.
      axes: where to draw; None makes a figure.

    Returns:
      The axes.

    Raises:
      TypeError: no table of `train.tabulate`.
      ValueError: other than two hyperparameters, a pair of strengths that occurs twice, or a score that is none.
      ModuleNotFoundError: without matplotlib.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose, train
    >>> settings = train.grid({"rate": [0.0, 0.5], "decay": [0.1, 1.0]})
    >>> scores = {"valid": jnp.array([[0.7, 0.7, 0.7], [0.6, 0.5, 0.4], [0.9, 0.8, 0.7], [0.7, 0.8, 0.9]])}
    >>> axes = diagnose.plot_sweep(train.tabulate(settings, scores, by="valid"), "valid")
    >>> axes.get_xlabel(), axes.get_ylabel(), [text.get_text() for text in axes.texts]
    ('decay', 'rate', ['0.7~', '0.5', '0.8', '0.8~'])
    """
    check = Checks("plot_sweep")
    valid_table(check, table)
    if len(table.settings) != 2:
        raise ValueError(f"plot_sweep: table must have two hyperparameters; got {sorted(table.settings)}")
    if score not in table.means:
        raise ValueError(f"plot_sweep: score must be one of {sorted(table.means)}; got {shown(score)}")
    axes = valid_axes(check, axes)
    (down, rows), (across, columns) = (
        (name, np.unique(np.asarray(values), return_inverse=True)) for name, values in table.settings.items()
    )
    cells = list(zip(rows[1].tolist(), columns[1].tolist(), strict=True))
    if len(set(cells)) < len(cells):
        raise ValueError("plot_sweep: table must have each pair of strengths once")
    means = np.full((rows[0].size, columns[0].size), np.nan)
    means[tuple(zip(*cells, strict=True))] = table.means[score]
    image = axes.imshow(means, cmap="gray", aspect="auto", origin="lower")
    axes.figure.colorbar(image, ax=axes, label=f"{score}, mean over {table.num_seeds} seeds")
    middle = (np.nanmin(means) + np.nanmax(means)) / 2
    for cell, mean, is_tied in zip(cells, table.means[score], table.is_tied, strict=True):
        is_best = table.best >= 0 and cell == cells[table.best]
        text = f"{mean:.3g}{'~' if is_tied and not is_best else ''}"
        if means.size <= MOST_NUMBERS:
            colour = "black" if mean > middle else "white"
            axes.text(cell[1], cell[0], text, ha="center", va="center", color=colour, fontsize="small")
        if is_best:
            _frame(axes, cell)
    axes.set_xticks(range(columns[0].size), [_shown(value) for value in columns[0]])
    axes.set_yticks(range(rows[0].size), [_shown(value) for value in rows[0]])
    axes.set_xlabel(across)
    axes.set_ylabel(down)
    return axes


def _frame(axes: Any, cell: tuple[int, int]) -> None:
    """Black on white, so that it shows on any gray."""
    from matplotlib.patches import Rectangle

    for colour, width in (("white", 6), ("black", 3)):
        corner = (cell[1] - 0.46, cell[0] - 0.46)
        axes.add_patch(Rectangle(corner, 0.92, 0.92, fill=False, edgecolor=colour, linewidth=width, zorder=3))


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{value:g}"
