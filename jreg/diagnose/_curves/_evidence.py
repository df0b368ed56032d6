"""What speaks for each state: means over the seeds, each with the half-width that noise explains, and the onset."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ..._core import student
from ._reading import Reading

SIGMAS = 4.0
"""Standard errors that a number must differ by from what noise makes of 0. The best step is chosen among many, and the
noise of training is correlated, so the usual 2 would raise many false alarms."""
LEAST_RISE = 0.02
"""The smallest share of the scale that counts as a change of validation."""


class Estimate(NamedTuple):
    """A number, and half the width of the interval that noise explains."""

    value: Float[Array, ""]
    half: Float[Array, ""]

    def exceeds(self, least: Array | float) -> Bool[Array, ""]:
        """Whether it is more than noise, and at least so much."""
        return (self.value > self.half) & (self.value >= least)


class Evidence(NamedTuple):
    """All that the rules of the states use; lower is better, and every number counts what is worse.

    Attributes:
      scale: what shares are taken of: what training gained since its start (since the baseline, if there is one), or
        the size of validation at its end if that is larger.
      train_end, valid_end: the curves at the end.
      gap: validation minus training at the end.
      growth: the gap at the end minus that at the stall.
      setback: validation at the end minus that at its turn.
      train_setback: training at the end minus that at its own best.
      since_turn, since_stall: training at the end minus that at the turn, and at the stall, of validation.
      descent, train_descent: the start of validation, and of training, minus its best.
      gain: validation in the last quarter but one minus that in the last.
      turn: the step where smoothed validation is best.
      stall: the first step from which validation came no further than noise and `LEAST_RISE`.
      stalled_share: the share of the run after it.
    """

    scale: Float[Array, ""]
    train_end: Estimate
    valid_end: Estimate
    gap: Estimate
    growth: Estimate
    setback: Estimate
    train_setback: Estimate
    since_turn: Estimate
    since_stall: Estimate
    descent: Estimate
    train_descent: Estimate
    gain: Estimate
    turn: Int[Array, ""]
    stall: Int[Array, ""]
    stalled_share: Float[Array, ""]


def gather(runs: Reading, baseline: Float[Array, ""] | None) -> Evidence:
    """Sum up runs (seeds, ...) that differ in their seeds alone.

    The turn and the stall are found in the means over the seeds, and every seed is then asked about these steps: the
    best step of each seed would show a setback in noise alone.
    """
    is_used = runs.num_steps > 0
    mean_train, mean_valid = mean(runs.train, is_used), mean(runs.valid, is_used)
    first, last = (jnp.max(jnp.where(is_used, step, 0)) for step in (runs.first_step, runs.last_step))
    turn, train_turn = (jnp.maximum(jnp.argmin(curve), first) for curve in (mean_valid, mean_train))
    start = mean(runs.start, is_used) if baseline is None else baseline
    scale = jnp.maximum(start - mean_train[train_turn], _size(mean_valid[-1]))
    found = _estimates(is_used, **_of_ends(runs), **_since_the_best(runs, turn, train_turn))
    slack = jnp.maximum(found["setback"].half, LEAST_RISE * scale)
    stall = jnp.maximum(jnp.argmax(mean_valid <= mean_valid[turn] + slack), first)
    found |= _estimates(is_used, **_since_the_stall(runs, stall))
    share = (last - stall).astype(scale.dtype) / jnp.maximum(last - first, 1).astype(scale.dtype)
    return Evidence(scale=scale, turn=turn, stall=stall, stalled_share=share, **found)


Numbers = dict[str, tuple[Array, Array]]
"""What a number is in each run, and its standard error there."""


def _of_ends(runs: Reading) -> Numbers:
    train_noise, valid_noise, gap_noise = _noises(runs)
    at_end = runs.num_end**-0.5
    return {
        "train_end": (runs.train[:, -1], train_noise * at_end),
        "valid_end": (runs.valid[:, -1], valid_noise * at_end),
        "gap": (runs.valid[:, -1] - runs.train[:, -1], gap_noise * at_end),
        "gain": (runs.gain, valid_noise * (2.0 / runs.num_quarter) ** 0.5),
    }


def _since_the_best(runs: Reading, turn: Int[Array, ""], train_turn: Int[Array, ""]) -> Numbers:
    train, valid = runs.train, runs.valid
    train_error, valid_error, _ = (noise * _of_difference(runs) for noise in _noises(runs))
    return {
        "setback": (valid[:, -1] - valid[:, turn], valid_error),
        "train_setback": (train[:, -1] - train[:, train_turn], train_error),
        "since_turn": (train[:, -1] - train[:, turn], train_error),
        "descent": (valid[:, 0] - valid[:, turn], valid_error),
        "train_descent": (train[:, 0] - train[:, train_turn], train_error),
    }


def _since_the_stall(runs: Reading, stall: Int[Array, ""]) -> Numbers:
    gap = runs.valid - runs.train
    train_error, _, gap_error = (noise * _of_difference(runs) for noise in _noises(runs))
    return {
        "growth": (gap[:, -1] - gap[:, stall], gap_error),
        "since_stall": (runs.train[:, -1] - runs.train[:, stall], train_error),
    }


def _noises(runs: Reading) -> tuple[Array, Array, Array]:
    """Of a single value of training, of validation and of the gap."""
    train, valid = (noise.level * noise.doubt for noise in (runs.train_noise, runs.valid_noise))
    return train, valid, jnp.hypot(train, valid)


def _of_difference(runs: Reading) -> Float[Array, " seeds"]:
    """The error of a smoothed end minus a smoothed value inside, where a single value's is 1."""
    return (1.0 / runs.num_end + 1.0 / runs.num_inside) ** 0.5


def _estimates(is_used: Bool[Array, " seeds"], **numbers: tuple[Array, Array]) -> dict[str, Estimate]:
    """All at once, which makes a short program of them."""
    values, errors = (jnp.stack(rows) for rows in zip(*numbers.values(), strict=True))
    means, halves = _over_seeds(values, errors, is_used)
    return {name: Estimate(means[row], halves[row]) for row, name in enumerate(numbers)}


def _size(value: Float[Array, ""]) -> Float[Array, ""]:
    """Of a value, lower is better; of a score from 0 to 1, which is between -1 and 0 here, also its distance from 1."""
    return jnp.where((value >= -1.0) & (value < 0.0), jnp.maximum(-value, 1.0 + value), jnp.abs(value))


def mean(values: Float[Array, "seeds *rest"], is_used: Bool[Array, " seeds"]) -> Float[Array, "*rest"]:
    weights = is_used.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return jnp.sum(values * weights, axis=0) / jnp.maximum(jnp.sum(weights), 1.0)


def _over_seeds(
    values: Float[Array, "n seeds"], errors: Float[Array, "n seeds"], is_used: Bool[Array, " seeds"]
) -> Estimate:
    """The means, and the wider of two intervals: Student's over the seeds, and the one of the noise of each curve."""
    count = jnp.sum(is_used)
    number = jnp.maximum(count, 1).astype(values.dtype)
    average = mean(values.T, is_used)
    squares = jnp.where(is_used[None], (values - average[:, None]) ** 2, 0.0)
    spread = jnp.sum(squares, axis=1) / jnp.maximum(number - 1.0, 1.0)
    error = jnp.sum(jnp.where(is_used[None], errors, 0.0) ** 2, axis=1) / number
    student = jnp.asarray(_quantiles(is_used.size), values.dtype)[count]
    return Estimate(average, jnp.maximum(student * spread**0.5, SIGMAS * error**0.5) / number**0.5)


def _quantiles(most: int) -> np.ndarray:
    """Student's quantile of a 95 % interval for every number of seeds; 0 where there is no interval."""
    return np.nan_to_num(student.quantile(np.arange(most + 1)))
