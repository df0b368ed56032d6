"""The statistics of the ledger: paired differences, Student's interval, Holm's correction, and the rule of verdicts.

Every claim is put as "this number is above 0", one number per seed. Two questions are asked of each case:

    is it above 0?                                  p_above, by Student's t, two-sided; 1 if the mean is not above 0
    is it below the least size that would matter?   p_below, likewise about `least`; 1 if the mean is not below it

Both kinds of p-value are corrected by Holm, each over all cases of the whole ledger. The rule, fixed before any run:

    fails      if the corrected p_below is at most 0.05: a size worth having is ruled out, or the opposite is true
    holds      else, if the corrected p_above is at most 0.05
    not shown  else

The verdict over the cases of a claim is theirs if they agree. If they do not and their numbers differ by more than
chance (Cochran's Q, 5 %), it depends. Otherwise the rule judges their mean, weighted by precision.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from ..intervals import interval

HOLDS, FAILS, DEPENDS, NOT_SHOWN = "holds", "fails", "depends", "not shown"
VERDICTS = (HOLDS, FAILS, DEPENDS, NOT_SHOWN)
ALPHA = 0.05


class Effect(NamedTuple):
    """The mean over seeds, half its 95 % interval, its standard error, and the two p-values."""

    mean: float
    half: float
    error: float
    p_above: float
    p_below: float


def effect(values: Sequence[float] | np.ndarray, least: float) -> Effect:
    values = np.asarray(values, np.float64)
    error = float(values.std(ddof=1) / len(values) ** 0.5)
    mean, degrees = float(values.mean()), len(values) - 1
    return Effect(mean, interval(values), error, *_p_values(mean, error, least, degrees))


def _p_values(mean: float, error: float, least: float, degrees: float) -> tuple[float, float]:
    above = _two_sided(mean, error, degrees) if mean > 0.0 else 1.0
    below = _two_sided(mean - least, error, degrees) if mean < least else 1.0
    return above, below


def _two_sided(distance: float, error: float, degrees: float) -> float:
    """The p-value of a distance from 0; without any spread a distance is certain."""
    if error == 0.0:
        return float(distance == 0.0)
    return float(2.0 * stats.t.sf(abs(distance) / error, degrees))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: the p-values in rising order times how many are left, never falling, at most 1."""
    order = np.argsort(p_values, kind="stable")
    corrected, largest = np.empty(len(order)), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected.tolist()


def verdict(p_above: float, p_below: float) -> str:
    """The rule for one case, of corrected p-values."""
    return FAILS if p_below <= ALPHA else HOLDS if p_above <= ALPHA else NOT_SHOWN


def heterogeneity(effects: Sequence[Effect]) -> float:
    """Cochran's Q: the p-value of all effects being one and the same."""
    precisions = np.array([_precision(found) for found in effects])
    means = np.array([found.mean for found in effects])
    q = float(precisions @ (means - precisions @ means / precisions.sum()) ** 2)
    return float(stats.chi2.sf(q, len(effects) - 1))


def pooled(effects: Sequence[Effect], least: float, degrees: float) -> Effect:
    """The mean weighted by precision."""
    precisions = np.array([_precision(found) for found in effects])
    mean = float(precisions @ np.array([found.mean for found in effects]) / precisions.sum())
    error = float(precisions.sum() ** -0.5)
    half = float(stats.t.ppf(0.975, degrees) * error)
    return Effect(mean, half, error, *_p_values(mean, error, least, degrees))


def _precision(found: Effect) -> float:
    return max(found.error, 1e-9) ** -2


class Judged(NamedTuple):
    """A claim's verdict, and that of each of its cases."""

    overall: str
    by_case: list[str]


def judge_all(cases: Sequence[Sequence[Effect]], leasts: Sequence[float], degrees: Sequence[int]) -> list[Judged]:
    """The verdicts of a whole ledger: for each claim its effects by case, its least size, its degrees of freedom."""
    flat = [found for effects in cases for found in effects]
    above, below = (iter(holm([getattr(found, name) for found in flat])) for name in ("p_above", "p_below"))
    judged = []
    for effects, least, of in zip(cases, leasts, degrees, strict=True):
        by_case = [verdict(next(above), next(below)) for _ in effects]
        judged.append(Judged(_overall(effects, by_case, least, of, len(flat)), by_case))
    return judged


def _overall(effects: Sequence[Effect], by_case: list[str], least: float, degrees: int, num_all: int) -> str:
    if len(set(by_case)) == 1:
        return by_case[0]
    if heterogeneity(effects) <= ALPHA:
        return DEPENDS
    together = pooled(effects, least, degrees)
    # As many tests as the ledger has cases, by Bonferroni: no less strict than Holm.
    return verdict(min(1.0, num_all * together.p_above), min(1.0, num_all * together.p_below))
