"""A sweep summed up: mean and interval over the seeds, and the setting that validation chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import ArrayLike, Float, Real

from .._core import trees
from .._core.checks import Checks
from .._core.types import Tree
from ._schedule import bare_wrapped


class Table(NamedTuple):
    """A row per setting; `print` it.

    Attributes:
      settings: the values of each hyperparameter, by its name.
      means: the mean of each score over the seeds, by its name.
      intervals: half the width of the 95 % interval of each mean (Student's t); NaN with a single seed.
      num_seeds: the number of seeds.
      best: the setting with the best mean of the deciding score; -1 if every mean is NaN.
    """

    settings: dict[str, np.ndarray]
    means: dict[str, Float[np.ndarray, " settings"]]
    intervals: dict[str, Float[np.ndarray, " settings"]]
    num_seeds: int
    best: int

    def __str__(self) -> str:
        scores = {
            name: [f"{mean:.4f} ± {half:.4f}" for mean, half in zip(means, self.intervals[name], strict=True)]
            for name, means in self.means.items()
        }
        settings = {
            name: [value if isinstance(value, str) else f"{value:g}" for value in values]
            for name, values in self.settings.items()
        }
        marks = {"": ["best" if row == self.best else "" for row in range(len(next(iter(self.means.values()))))]}
        columns = [[name, *cells] for name, cells in {**settings, **scores, **marks}.items()]
        widths = [max(map(len, column)) for column in columns]
        lines = ("  ".join(map(str.rjust, cells, widths)).rstrip() for cells in zip(*columns, strict=True))
        return "\n".join((*lines, f"mean ± 95 % interval over {self.num_seeds} seeds"))


def tabulate(
    hypers: Tree,
    scores: Mapping[str, Real[ArrayLike, "settings seeds"]],
    *,
    by: str,
    mode: Literal["min", "max"] = "max",
) -> Table:
    """Sum up a sweep: the mean of each score over the seeds with its 95 % interval, and the best setting by one score.

    Args:
      hypers: the settings, as `sweep` was given them, or their names; a leaf with more than one entry per setting is
        left out.
      scores: arrays (setting, seed) by name.
      by: the name of the score that decides, on validation rows: a test score that decides is no estimate any more.
      mode: whether a higher ("max") or lower ("min") score is better. NaN is never best.

    Raises:
      ValueError: scores of unequal shape, or of another than (settings, seeds); a `by` that is no score.

    >>> import jax.numpy as jnp
    >>> from jreg import train
    >>> scores = {"valid": jnp.array([[0.7, 0.8], [0.9, 0.8]]), "test": jnp.array([[0.6, 0.6], [0.8, 0.7]])}
    >>> print(train.tabulate({"rate": jnp.array([0.0, 0.5])}, scores, by="valid"))
    rate            valid             test
       0  0.7500 ± 0.6353  0.6000 ± 0.0000
     0.5  0.8500 ± 0.6353  0.7500 ± 0.6353  best
    mean ± 95 % interval over 2 seeds
    """
    check = Checks("tabulate")
    check.choice("mode", mode, ("min", "max"))
    check.mapping("scores", scores, "arrays (setting, seed) by name")
    if by not in scores:
        raise ValueError(f"tabulate: by must be one of the scores {sorted(scores)}; got {by!r}")
    values = {name: np.asarray(score, np.float64) for name, score in scores.items()}
    shapes = {score.shape for score in values.values()}
    hypers = bare_wrapped(hypers)
    sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(hypers)}
    if len(shapes) != 1 or sizes != {next(iter(shapes))[:1]} or values[by].ndim != 2 or values[by].size == 0:
        raise ValueError(f"tabulate: scores must all have shape (settings, seeds); got {shapes} for {sizes} settings")
    means = {name: score.mean(axis=1) for name, score in values.items()}
    ranked = means[by] if mode == "max" else -means[by]
    best = -1 if np.isnan(ranked).all() else int(np.nanargmax(ranked))
    intervals = {name: _half_interval(score) for name, score in values.items()}
    return Table(_columns(hypers), means, intervals, values[by].shape[1], best)


def _half_interval(score: Float[np.ndarray, "settings seeds"]) -> Float[np.ndarray, " settings"]:
    from scipy.special import stdtrit

    num_settings, num_seeds = score.shape
    if num_seeds < 2:
        return np.full(num_settings, np.nan)
    return stdtrit(num_seeds - 1, 0.975) * score.std(axis=1, ddof=1) / num_seeds**0.5


def _columns(hypers: Tree) -> dict[str, Any]:
    leaves = (
        (trees.path_name(path) or "setting", np.asarray(leaf)) for path, leaf in jax.tree.leaves_with_path(hypers)
    )
    return {name: leaf for name, leaf in leaves if leaf.ndim == 1}
