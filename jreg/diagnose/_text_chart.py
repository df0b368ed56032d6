"""Two curves as text, for a terminal without pictures."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

WIDTH, HEIGHT = 64, 14
TRAIN, VALID, BOTH, ONSET = "t", "v", "*", ":"


def draw(train: Float[np.ndarray, " steps"], valid: Float[np.ndarray, " steps"], onset: int, first: int = 0) -> str:
    """Rows of text: t is training, v validation, * both, and a column of : the onset, if that is not below 0.

    Args:
      train, valid: the curves; NaN is left out.
      onset: a step, or -1.
      first: what the first step is called.
    """
    size = len(train)
    columns = min(WIDTH, size)
    pages = np.arange(size) * columns // size
    curves = [[_mean(curve[pages == column]) for column in range(columns)] for curve in (train, valid)]
    finite = [value for curve in curves for value in curve if np.isfinite(value)]
    if not finite:
        return "(no finite value to draw)"
    low, high = min(finite), max(finite)
    grid = [
        [ONSET if onset >= 0 and column == pages[onset] else " " for column in range(columns)] for _ in range(HEIGHT)
    ]
    for curve, mark in zip(curves, (TRAIN, VALID), strict=True):
        for column, value in enumerate(curve):
            if np.isfinite(value):
                row = round((high - value) / (high - low or 1.0) * (HEIGHT - 1))
                grid[row][column] = BOTH if grid[row][column] in (TRAIN, VALID) else mark
    labels = [f"{high:.4g}", *[""] * (HEIGHT - 2), f"{low:.4g}"]
    width = max(map(len, labels))
    lines = [f"{label:>{width}} |{''.join(row).rstrip()}" for label, row in zip(labels, grid, strict=True)]
    ends = f"{first}{first + size - 1:>{max(columns - len(str(first)), 1)}}"
    legend = f"{TRAIN} training, {VALID} validation, {BOTH} both" + (f", {ONSET} onset" if onset >= 0 else "")
    return "\n".join([*lines, f"{'':>{width}} +{'-' * columns}", f"{'':>{width}}  {ends}", legend])


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else np.nan
