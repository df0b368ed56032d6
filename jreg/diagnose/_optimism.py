"""How much the validation score of the best of many settings flatters it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._core import dtypes, student
from .._core.checks import Checks


class Optimism(NamedTuple):
    """What choosing the best of m settings by validation brings, for every m; means over the seeds.

    Attributes:
      num_tried: m, from 1 to the number of settings.
      optimism: by how much validation is better than test at the setting chosen: what the choice alone makes of noise,
        and whatever makes test rows harder at m = 1.
      optimism_interval: half the width of its 95 % interval over the seeds (Student's t); NaN with a single seed.
      valid, test: the expected scores of the setting chosen.
    """

    num_tried: Int[Array, " settings"]
    optimism: Float[Array, " settings"]
    optimism_interval: Float[Array, " settings"]
    valid: Float[Array, " settings"]
    test: Float[Array, " settings"]


def selection_optimism(
    valid: Float[Array | np.ndarray, "settings seeds"],
    test: Float[Array | np.ndarray, "settings seeds"],
    *,
    mode: Literal["min", "max"] = "max",
) -> Optimism:
    """Measure by how much validation flatters the best of m settings, for every m at once; traceable.

        optimism(m) = E[valid(s) - test(s)],   s the best by validation of m settings drawn without replacement

    The mean over all draws needs no drawing: the setting of rank r (0 is the best) of n wins with the probability
    C(n - 1 - r, m - 1) / C(n, m). Each seed of a sweep is such an experiment. Where settings differ in luck alone,
    valid = test = N(0, s^2), optimism(m) is the expected largest of m draws, 0.56 s for 2 and 1.54 s for 10: report a
    test score, or choose among fewer.

    Args:
      valid, test: the scores of a sweep.
      mode: whether a higher ("max") or lower ("min") score is better. A NaN in `valid` ranks last.

    Raises:
      ValueError: scores that are not of one shape (settings, seeds).

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> valid, test = jnp.array([[0.9], [0.8], [0.7]]), jnp.array([[0.7], [0.8], [0.7]])
    >>> [round(x, 4) for x in diagnose.selection_optimism(valid, test).optimism.tolist()]
    [0.0667, 0.1333, 0.2]

    Cawley and Talbot, On Over-fitting in Model Selection and Subsequent Selection Bias in Performance Evaluation, JMLR
    2010.
    """
    check = Checks("selection_optimism")
    check.choice("mode", mode, ("min", "max"))
    valid, test = check.floating("valid", valid), check.floating("test", test)
    if valid.ndim != 2 or valid.shape != test.shape or valid.size == 0:
        raise ValueError(
            f"selection_optimism: valid and test must have one shape (settings, seeds); got {valid.shape}, {test.shape}"
        )
    wide = dtypes.widened(dtypes.finer(valid.dtype, test.dtype))
    sign = 1.0 if mode == "max" else -1.0
    order = jnp.argsort(-sign * valid.astype(wide), axis=0, stable=True)
    ranked = [jnp.take_along_axis(scores.astype(wide), order, axis=0) for scores in (valid, test)]
    odds = jnp.asarray(_odds_of_ranks(len(valid)), wide)
    chosen_valid, chosen_test = (_expected(odds, scores) for scores in ranked)
    flattery = sign * (chosen_valid - chosen_test)
    return Optimism(
        num_tried=jnp.arange(1, len(valid) + 1),
        optimism=jnp.mean(flattery, axis=1),
        optimism_interval=_half_interval(flattery),
        valid=jnp.mean(chosen_valid, axis=1),
        test=jnp.mean(chosen_test, axis=1),
    )


def _odds_of_ranks(num_settings: int) -> Float[np.ndarray, "tried ranks"]:
    """How probably each rank is the best of m settings drawn: from the odds that those above it are not among them."""
    odds = np.zeros((num_settings, num_settings))
    for tried in range(1, num_settings + 1):
        is_unseen = 1.0
        for rank in range(num_settings - tried + 1):
            left = num_settings - rank
            odds[tried - 1, rank] = is_unseen * tried / left
            is_unseen *= 1.0 - tried / left
    return odds


def _expected(odds: Float[Array, "tried ranks"], scores: Float[Array, "ranks seeds"]) -> Float[Array, "tried seeds"]:
    """Ranks that cannot win have no say, not even by NaN."""
    weighted = jnp.where(odds[..., None] > 0.0, odds[..., None] * scores[None], 0.0)
    return jnp.sum(weighted, axis=1)


def _half_interval(values: Float[Array, "tried seeds"]) -> Float[Array, " tried"]:
    num_seeds = values.shape[1]
    if num_seeds < 2:
        return jnp.full(len(values), jnp.nan, values.dtype)
    return float(student.quantile(num_seeds)) * jnp.std(values, axis=1, ddof=1) / num_seeds**0.5
