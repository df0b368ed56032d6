"""What the pictures share: matplotlib, imported when something is drawn, axes, intervals and a legend beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from ..._core import student
from ..._core.checks import Checks, shown

DARK, LIGHT, MIDDLE = "#08306b", "#e8871e", "#5f7d95"
"""Colours that differ in brightness, so that they differ in grayscale too."""


def new_axes(check: Checks, rows: int = 1, size: tuple[float, float] | None = None) -> Any:
    """Axes on a figure of their own, one below another; its size in inches."""
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{check}: needs matplotlib, which pip install 'jreg[plot]' brings") from error
    size = (6.4, 2.0 + 2.4 * rows) if size is None else size
    _, axes = pyplot.subplots(rows, sharex=True, figsize=size, layout="constrained")
    return axes


def valid_axes(check: Checks, axes: Any, size: tuple[float, float] | None = None) -> Any:
    """Return axes of matplotlib; None makes new ones."""
    if axes is None:
        return new_axes(check, size=size)
    if not callable(getattr(axes, "plot", None)) or not hasattr(axes, "figure"):
        raise TypeError(f"{check}: axes must be axes of matplotlib; got {shown(axes)}")
    return axes


def without_frame(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def legend_above(axes: Any) -> None:
    """Above the axes, where it covers nothing."""
    _, labels = axes.get_legend_handles_labels()
    inches = axes.get_position().width * axes.figure.get_figwidth()
    columns = min(max(int(inches / (0.4 + 0.06 * max(map(len, labels)))), 1), 3, len(labels))
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, frameon=False, fontsize="small")


def mean_and_interval(
    values: Float[np.ndarray, "*places seeds"],
) -> tuple[Float[np.ndarray, "*places"], Float[np.ndarray, "*places"]]:
    """The mean over the seeds with a number, and half the width of its 95 % interval (Student's t); NaN without one."""
    is_number = ~np.isnan(values)
    count = is_number.sum(-1)
    number = np.maximum(count, 1)
    mean = np.where(is_number, values, 0.0).sum(-1) / number
    squares = np.where(is_number, (values - mean[..., None]) ** 2, 0.0).sum(-1)
    half = student.quantile(count) * np.sqrt(squares / np.maximum(count - 1, 1) / number)
    return np.where(count > 0, mean, np.nan), half
