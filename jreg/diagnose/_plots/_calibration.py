"""The reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..._core.checks import Checks
from .._calibration import Reliability
from ._axes import valid_axes

STYLES = (("#1b3a57", "o", "-"), ("#e08214", "s", "--"), ("#7b3294", "^", "-."), ("#5aae61", "D", ":"))
"""Colour, marker and line: the lightness of the colours differs too, for prints without colour."""
Z = 1.96
"""Standard deviations of a 95 % interval."""


def plot_calibration(found: Reliability | Mapping[str, Reliability], *, axes: Any = None) -> Any:
    """Draw accuracy against confidence, with Wilson's 95 % intervals: below the diagonal a model is over-confident.

    The area of a point is the share of its bin in the rows. The legend stands above the axes and has the expected
    calibration error of these bins.

    Args:
      found: what `reliability` returns, or several by name, such as before and after `temperature_scale`.
      axes: matplotlib axes to draw on; None makes a figure.

    Returns the axes. Needs matplotlib, which is imported only here.

    Raises:
      TypeError: `found` is neither, or `axes` are none of matplotlib's.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> found = diagnose.reliability(jnp.array([0.1, 0.4, 0.4, 0.9]), jnp.array([0, 0, 1, 1]), num_bins=5)
    >>> diagnose.plot_calibration({"validation": found}).get_xlabel()
    'confidence'

    Niculescu-Mizil and Caruana, Predicting Good Probabilities With Supervised Learning, ICML 2005.
    """
    check = Checks("plot_calibration")
    by_name = {"": found} if isinstance(found, Reliability) else check.mapping("found", found, "Reliability by name")
    for each in by_name.values():
        check.instance("found", each, Reliability, "reliability")
    axes = valid_axes(check, axes, (4.8, 4.8))
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, zorder=0)
    for place, (name, each) in enumerate(by_name.items()):
        _draw(axes, name, each, *STYLES[place % len(STYLES)])
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy", aspect="equal")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.01), borderaxespad=0.0, frameon=False, handlelength=3)
    return axes


def _draw(axes: Any, name: str, found: Reliability, colour: str, marker: str, line: str) -> None:
    kept = np.asarray(found.count) > 0
    confidence, accuracy, count = (np.asarray(values, np.float64)[kept] for values in found)
    share = count / max(count.sum(), 1.0)
    label = f"{name}{': ' if name else ''}ECE {np.sum(share * np.abs(confidence - accuracy)):.3f}"
    low, high = _wilson(accuracy, count)
    # A rounding may leave an end of the interval on the wrong side.
    bars = np.maximum([accuracy - low, high - accuracy], 0.0)
    axes.errorbar(confidence, accuracy, bars, color=colour, linestyle="none", capsize=2, elinewidth=1, alpha=0.7)
    axes.plot(
        confidence, accuracy, color=colour, linestyle=line, marker=marker, markersize=4, label=label, clip_on=False
    )
    axes.scatter(
        confidence,
        accuracy,
        s=16.0 + 500.0 * share,
        color=colour,
        marker=marker,
        alpha=0.35,
        linewidth=0,
        clip_on=False,
    )


def _wilson(share: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a share, which stays within [0, 1] and says something of few rows."""
    centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * np.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    return centre - half, centre + half
