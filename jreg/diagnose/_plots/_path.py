"""Weights and validation along a path of strengths."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from jaxtyping import Array, Float, Real

from ..._core.checks import Checks
from ._axes import DARK, MIDDLE, mean_and_interval, new_axes, valid_axes, without_frame


def plot_path(
    strengths: Real[Array | np.ndarray, " strengths"],
    weights: Float[Array | np.ndarray, "strengths weights"],
    valid: Float[Array | np.ndarray, "strengths *seeds"],
    *,
    mode: Literal["min", "max"] = "min",
    metric: str = "loss",
    axes: Any = None,
) -> Any:
    """Draw each weight, and below it validation, against the strength of a regularizer, with the best strength marked.

    The number of weights that are not exactly zero stands above the path: an L1 path loses them one by one, an L2 path
    none.

    Args:
      strengths: numbers of at least 0, each once; the axis is logarithmic, and linear around a strength of 0.
      weights: the weights at each strength, of one seed.
      valid: validation at each strength (strengths,) or (strengths, seeds), drawn with its 95 % interval.
      mode: whether lower ("min") or higher ("max") validation is better.
      metric: its name.
      axes: a pair of axes, for the weights and for validation; None makes a figure.

    Returns:
      The pair of axes.

    Raises:
      ValueError: strengths below 0 or twice, or arrays that do not match them.
      ModuleNotFoundError: without matplotlib.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> weights = jnp.array([[1.0, 0.5], [0.8, 0.0], [0.0, 0.0]])
    >>> top, bottom = diagnose.plot_path(jnp.array([0.01, 0.1, 1.0]), weights, jnp.array([0.3, 0.2, 0.9]))
    >>> bottom.get_xscale(), len(top.lines)
    ('log', 3)
    """
    check = Checks("plot_path")
    check.choice("mode", mode, ("min", "max"))
    strengths, weights, valid = (
        np.asarray(check.array(name, value), np.float64)
        for name, value in (("strengths", strengths), ("weights", weights), ("valid", valid))
    )
    _refuse_misfits(strengths, weights, valid)
    top, bottom = new_axes(check, 2) if axes is None else (valid_axes(check, each) for each in axes)
    order = np.argsort(strengths)
    strengths, weights, valid = strengths[order], weights[order], valid.reshape(len(order), -1)[order]
    mean, half = mean_and_interval(valid)
    best = strengths[np.nanargmin(mean if mode == "min" else -mean)] if np.isfinite(mean).any() else None
    top.plot(strengths, weights, color=DARK, linewidth=1, alpha=max(0.25, 1.0 - weights.shape[1] / 40))
    bottom.plot(strengths, mean, "o-", color=DARK, linewidth=1.8, markersize=4)
    if np.isfinite(half).any():
        bottom.fill_between(strengths, mean - half, mean + half, color=DARK, alpha=0.2, linewidth=0)
    for each in (top, bottom):
        _scale(each, strengths)
        without_frame(each)
        if best is not None:
            each.axvline(best, color=MIDDLE, linestyle="--", linewidth=1.2)
    top.set_ylabel("weights")
    top.set_title(_counts(strengths, weights, best), fontsize="small")
    bottom.set_ylabel(f"validation {metric}")
    bottom.set_xlabel("strength (dashed: the best)")
    return top, bottom


def _refuse_misfits(strengths: np.ndarray, weights: np.ndarray, valid: np.ndarray) -> None:
    if strengths.ndim != 1 or len(np.unique(strengths)) != strengths.size or not strengths.size or strengths.min() < 0:
        raise ValueError(f"plot_path: strengths must be numbers of at least 0, each once; got {strengths}")
    if weights.ndim != 2 or valid.ndim not in (1, 2) or {len(weights), len(valid)} != {strengths.size}:
        raise ValueError(
            f"plot_path: weights must be ({strengths.size} strengths, weights) and valid ({strengths.size} strengths, "
            f"seeds); got {weights.shape}, {valid.shape}"
        )


def _scale(axes: Any, strengths: np.ndarray) -> None:
    if strengths.max() <= 0:
        return
    least = strengths[strengths > 0].min()
    axes.set_xscale("log") if strengths.min() > 0 else axes.set_xscale("symlog", linthresh=least)


def _counts(strengths: np.ndarray, weights: np.ndarray, best: float | None) -> str:
    counts = (weights != 0).sum(1)
    at_best = "" if best is None else f", {counts[strengths == best][0]} at the best"
    return (
        f"weights that are not 0, of {weights.shape[1]}: {counts[0]} at the weakest{at_best}, {counts[-1]} at the last"
    )
