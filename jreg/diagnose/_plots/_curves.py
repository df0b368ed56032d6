"""Learning curves with what was found in them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..._core.checks import Checks
from ..._core.types import Number
from .._curves import Diagnosis, History, curves, read_pair
from ._axes import DARK, LIGHT, MIDDLE, legend_above, mean_and_interval, valid_axes, without_frame

STYLES = ((DARK, "o"), (LIGHT, "s"), (MIDDLE, "^"))
"""The colour and the marker of the first run on the axes, the second, ..."""
RUN = "jreg-run"


def plot_curves(
    train: History,
    valid: History,
    *,
    baseline: Number | None = None,
    mode: Literal["min", "max"] = "min",
    metric: str = "loss",
    unit: str = "epoch",
    label: str = "",
    axes: Any = None,
) -> Any:
    """Draw training (dashed) and validation (solid), with intervals over seeds, the best, the onset and the stop.

    The shaded bands are 95 % intervals of the mean over the seeds (Student's t). A seed that stopped keeps its last
    value, since those that go on are no fair sample of all. The stop is drawn where the longest run ended before its
    history does. A further call on the same axes draws another run beside it.

    Args:
      train, valid: as for `curves`, of one setting: (steps,), (seeds, steps), or dicts of them.
      baseline: as for `curves`; it is drawn too.
      mode: as for `curves`.
      metric: the name of the metric, on the axis and in dicts.
      unit: the name of one step.
      label: the name of the run, in the legend.
      axes: where to draw; None makes a figure.

    Returns:
      The axes.

    Raises:
      ValueError: curves of several settings, or any that `curves` refuses.
      ModuleNotFoundError: without matplotlib.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> axes = diagnose.plot_curves(jnp.array([1.0, 0.5, 0.2, 0.1]), jnp.array([1.1, 0.7, 0.8, 0.9]))
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['training', 'validation', 'best', 'onset']
    """
    check = Checks("plot_curves")
    pair = read_pair(check, train, valid, metric)
    if pair[0].ndim != 2:
        raise ValueError(
            f"plot_curves: train must be of one setting, (steps,) or (seeds, steps); got shape {pair[0].shape}"
        )
    found = curves(*pair, baseline=baseline, mode=mode)
    axes = valid_axes(check, axes)
    place = sum(line.get_gid() == RUN for line in axes.lines) // 2
    colour, marker = STYLES[place % len(STYLES)]
    prefix = f"{label}: " if label else ""
    for values, name, style in ((pair[0], "training", "--"), (pair[1], "validation", "-")):
        _draw(axes, np.asarray(values, np.float64), prefix + name, colour, style)
    _mark(axes, found, np.asarray(pair[1], np.float64), prefix, colour, marker)
    if baseline is not None:
        axes.axhline(float(np.asarray(baseline)), color="0.6", linewidth=1, label=f"{prefix}baseline")
    axes.set_xlabel(unit)
    axes.set_ylabel(metric)
    without_frame(axes)
    legend_above(axes)
    return axes


def _draw(axes: Any, values: np.ndarray, label: str, colour: str, style: str) -> None:
    mean, half = mean_and_interval(_held(values).T)
    steps, is_known = np.arange(mean.size), ~np.isnan(mean)
    axes.plot(steps[is_known], mean[is_known], style, color=colour, linewidth=1.8, label=label, gid=RUN)
    if np.isfinite(half).any():
        axes.fill_between(steps, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)


def _mark(axes: Any, found: Diagnosis, valid: np.ndarray, prefix: str, colour: str, marker: str) -> None:
    best, onset = int(found.best_step), int(found.onset)
    mean, _ = mean_and_interval(_held(valid).T)
    if best >= 0 and np.isfinite(mean[best]):
        shape = {"marker": marker, "markersize": 8, "markeredgecolor": "black", "color": colour}
        axes.plot(best, mean[best], linestyle="none", label=f"{prefix}best", zorder=3, **shape)
    if onset >= 0:
        axes.axvline(onset, color=colour, linestyle=":", linewidth=1.8, label=f"{prefix}onset")
    stop = int(np.max(np.nonzero(~np.isnan(mean))[0], initial=0))
    if stop < mean.size - 1:
        axes.axvline(stop, color=colour, linestyle="-.", linewidth=1, label=f"{prefix}stop")


def _held(values: np.ndarray) -> np.ndarray:
    """Each seed (seeds, steps) at its last value from there to the end of the longest."""
    steps = np.arange(values.shape[1])
    last = np.where(np.isnan(values), -1, steps).max(1)
    ends = values[np.arange(len(values)), last]
    is_past = (steps > last[:, None]) & (steps <= last.max())
    return np.where(is_past, ends[:, None], values)
