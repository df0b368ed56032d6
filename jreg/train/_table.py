"""A sweep summed up: mean and interval over the seeds, and the setting that validation chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import ArrayLike, Bool, Float, Int, Real

from .._core import student, trees
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
      is_tied: whether the best does not beat the setting: the 95 % interval of their difference in the deciding score,
        paired by seed, holds 0. The best itself is tied; with a single seed nothing else is.
      differences: the mean difference to the baseline of each score, by its name; empty without a baseline.
      difference_intervals: half the width of the 95 % interval of each difference, paired by seed.
    """

    settings: dict[str, np.ndarray]
    means: dict[str, Float[np.ndarray, " settings"]]
    intervals: dict[str, Float[np.ndarray, " settings"]]
    num_seeds: int
    best: int
    is_tied: Bool[np.ndarray, " settings"]
    differences: dict[str, Float[np.ndarray, " settings"]]
    difference_intervals: dict[str, Float[np.ndarray, " settings"]]

    def __str__(self) -> str:
        scores = {}
        for name, means in self.means.items():
            scores[name] = _cells("{:.4f} ± {:.4f}", means, self.intervals[name])
            if name in self.differences:
                halves = self.difference_intervals[name]
                scores[f"{name} - baseline"] = _cells("{:+.4f} ± {:.4f}", self.differences[name], halves)
        settings = {
            name: [value if isinstance(value, str) else f"{value:g}" for value in values]
            for name, values in self.settings.items()
        }
        marks = {"": ["best" if row == self.best else "~" * tied for row, tied in enumerate(self.is_tied.tolist())]}
        columns = [[name, *cells] for name, cells in {**settings, **scores, **marks}.items()]
        widths = [max(map(len, column)) for column in columns]
        lines = ("  ".join(map(str.rjust, cells, widths)).rstrip() for cells in zip(*columns, strict=True))
        note = f"mean ± 95 % interval over {self.num_seeds} seeds"
        is_any_tied = self.is_tied.sum() > 1
        return "\n".join((*lines, f"{note}; ~ is not beaten by the best" if is_any_tied else note))


def tabulate(
    hypers: Tree,
    scores: Mapping[str, Real[ArrayLike, "settings *seeds"]],
    *,
    by: str,
    mode: Literal["min", "max"] = "max",
    baseline: int | None = None,
    over: str | Sequence[str] = (),
) -> Table:
    """Sum up a sweep: the mean of each score over the seeds with its 95 % interval, and the best setting by one score.

    Every setting met the same seeds, so differences are paired by seed: their intervals are narrower than those of the
    means. A difference is told apart from 0 at 95 %, which one in twenty null differences is by chance.

    Args:
      hypers: the settings, as `sweep` was given them, or their names; a leaf with more than one entry per setting is
        left out.
      scores: arrays (setting, seed) by name; (setting,) of a paired sweep, as with one seed.
      by: the name of the score that decides, on validation rows: a test score that decides is no estimate any more.
      mode: whether a higher ("max") or lower ("min") score is better. NaN is never best.
      baseline: the number of the row that all others are compared with, such as 0; None for no comparison.
      over: the names of settings that repeat an experiment rather than change it, such as the fold or the split. A row
        then is a setting of all others, and its seeds are every combination of these with the keys.

    Raises:
      ValueError: scores of unequal shape, or of another than (settings, seeds); a `by` that is no score; a baseline
        that is no row; an `over` that is no setting, or that not every row has the same of.

    >>> import jax.numpy as jnp
    >>> from jreg import train
    >>> scores = {"valid": jnp.array([[0.7, 0.8], [0.9, 0.8]]), "test": jnp.array([[0.6, 0.6], [0.8, 0.7]])}
    >>> print(train.tabulate({"rate": jnp.array([0.0, 0.5])}, scores, by="valid"))
    rate            valid             test
       0  0.7500 ± 0.6353  0.6000 ± 0.0000     ~
     0.5  0.8500 ± 0.6353  0.7500 ± 0.6353  best
    mean ± 95 % interval over 2 seeds; ~ is not beaten by the best
    """
    check = Checks("tabulate")
    check.choice("mode", mode, ("min", "max"))
    check.mapping("scores", scores, "arrays (setting, seed) by name")
    if by not in scores:
        raise ValueError(f"tabulate: by must be one of the scores {sorted(scores)}; got {by!r}")
    values = {name: np.asarray(score, np.float64) for name, score in scores.items()}
    values = {name: score[:, None] if score.ndim == 1 else score for name, score in values.items()}
    shapes = {score.shape for score in values.values()}
    names, hypers = list(hypers) if isinstance(hypers, Mapping) else [], bare_wrapped(hypers)
    sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(hypers)}
    if len(shapes) != 1 or sizes != {next(iter(shapes))[:1]} or values[by].ndim != 2 or values[by].size == 0:
        raise ValueError(f"tabulate: scores must all have shape (settings, seeds); got {shapes} for {sizes} settings")
    columns = _columns(hypers, names)
    if over := [over] if isinstance(over, str) else list(over):
        rows = _repeated(check, hypers, columns, over)
        values = {name: score[rows].reshape(len(rows), -1) for name, score in values.items()}
        columns = {name: column[rows[:, 0]] for name, column in columns.items() if name not in over}
    means = {name: score.mean(axis=1) for name, score in values.items()}
    ranked = means[by] if mode == "max" else -means[by]
    best = -1 if np.isnan(ranked).all() else int(np.nanargmax(ranked))
    intervals = {name: _half_interval(score) for name, score in values.items()}
    differences = {} if baseline is None else _differences(check, values, baseline)
    return Table(
        settings=columns,
        means=means,
        intervals=intervals,
        num_seeds=values[by].shape[1],
        best=best,
        is_tied=_is_tied(values[by] if mode == "max" else -values[by], best),
        differences={name: score.mean(axis=1) for name, score in differences.items()},
        difference_intervals={name: _half_interval(score) for name, score in differences.items()},
    )


def _repeated(check: Checks, hypers: Tree, columns: dict[str, Any], over: list[str]) -> Int[np.ndarray, "rows times"]:
    """The numbers of the settings that differ in `over` alone, a row each, in the same order of `over`."""
    if not set(over) <= set(columns):
        raise ValueError(f"{check}: over must name settings, of {sorted(columns)}; got {over}")
    rows: dict[Any, dict[Any, int]] = {}
    leaves = [(_name(path), np.asarray(leaf)) for path, leaf in jax.tree.leaves_with_path(hypers)]
    for number in range(len(leaves[0][1])):
        row = tuple(leaf[number].tobytes() for name, leaf in leaves if name not in over)
        rows.setdefault(row, {})[tuple(columns[name][number].tobytes() for name in over)] = number
    times = [sorted(found) for found in rows.values()]
    if sum(map(len, times)) != len(leaves[0][1]) or any(found != times[0] for found in times):
        raise ValueError(f"{check}: over must take the same values, each once, in every row; got {over}")
    return np.array([[found[time] for time in times[0]] for found in rows.values()])


def _differences(check: Checks, values: dict[str, np.ndarray], baseline: int) -> dict[str, np.ndarray]:
    num_settings = len(next(iter(values.values())))
    if isinstance(baseline, bool) or not isinstance(baseline, int | np.integer) or not 0 <= baseline < num_settings:
        raise ValueError(
            f"{check}: baseline must be the number of one of the {num_settings} settings; got {baseline!r}"
        )
    return {name: score - score[baseline] for name, score in values.items()}


def _is_tied(score: Float[np.ndarray, "settings seeds"], best: int) -> Bool[np.ndarray, " settings"]:
    if best < 0:
        return np.zeros(len(score), bool)
    behind = score[best] - score
    return (np.arange(len(score)) == best) | (behind.mean(axis=1) <= _half_interval(behind))


def _cells(form: str, means: np.ndarray, halves: np.ndarray) -> list[str]:
    return [form.format(mean, half) for mean, half in zip(means, halves, strict=True)]


def _half_interval(score: Float[np.ndarray, "settings seeds"]) -> Float[np.ndarray, " settings"]:
    num_settings, num_seeds = score.shape
    if num_seeds < 2:
        return np.full(num_settings, np.nan)
    return student.quantile(num_seeds) * score.std(axis=1, ddof=1) / num_seeds**0.5


def _columns(hypers: Tree, names: list[Any]) -> dict[str, Any]:
    """The settings by their names, in the order of `names`: JAX sorts those of a dict."""
    leaves = [(_name(path), np.asarray(leaf)) for path, leaf in jax.tree.leaves_with_path(hypers)]
    order = {str(name): place for place, name in enumerate(names)}
    leaves.sort(key=lambda leaf: order.get(leaf[0].split("/")[0], 0))
    return {name: leaf for name, leaf in leaves if leaf.ndim == 1}


def _name(path: Any) -> str:
    return trees.path_name(path) or "setting"
