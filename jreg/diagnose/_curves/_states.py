"""The rules: which state the evidence speaks for. Few false alarms matter more than many rules."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ._evidence import LEAST_RISE, Estimate, Evidence

STATES = ("undecided", "healthy", "still improving", "over-fitting", "under-fitting", "diverged")
"""The states by their numbers: `STATES[int(diagnosis.state)]` is `diagnosis.name`."""
UNDECIDED, HEALTHY, IMPROVING, OVER_FITTING, UNDER_FITTING, DIVERGED = range(len(STATES))
SIGNS = ("none", "validation rises", "validation stalls", "gap")
"""What shows the over-fitting."""
NO_SIGN, RISES, STALLS, GAP = range(len(SIGNS))

LEAST_GAP = 0.05
"""The smallest share of the scale that counts as a gap, and as what a fitting model must beat its baseline by."""
LEAST_STALL = 0.25
"""The smallest share of the run that validation must stall for."""
LOST = 0.5
"""The share of what both curves had gained that a diverged run has lost again."""
VISIBLE = 0.1
"""Where noise hides changes of more than this share of the scale, nothing can be said."""
FEWEST_STEPS = 5
"""No fewer steps are called healthy."""
SEVERE = 0.2
"""A share of the scale that is severe, and that a gap alone must have where nothing else is seen of a run: it has fewer
steps than that, or no curve improved on its start."""


class Reference(NamedTuple):
    """What a model that fits must beat, lower is better, and how much better than it a metric can be."""

    value: Float[Array, ""]
    room: Float[Array, ""]


class Verdict(NamedTuple):
    """The state, what shows over-fitting, its onset (-1 for none), and its severity as a share of the scale."""

    state: Int[Array, ""]
    sign: Int[Array, ""]
    onset: Int[Array, ""]
    severity: Float[Array, ""]


def judge(
    evidence: Evidence,
    baseline: Reference | None,
    *,
    tolerance: Float[Array, ""],
    is_finite: Bool[Array, ""],
    num_steps: Int[Array, ""],
) -> Verdict:
    """Name the first state whose rule holds.

    Args:
      evidence: of all seeds.
      baseline: None if there is none.
      tolerance: changes of validation and gaps up to it count for nothing; NaN for a bad one.
      is_finite: whether the runs ended in numbers.
      num_steps: how many steps are known.
    """
    is_short = num_steps < FEWEST_STEPS
    never = jnp.zeros((), bool)
    is_stuck = never if baseline else _learned_nothing(evidence)
    is_near = ~_is_beaten(evidence, baseline, 1.0) if baseline else never
    sign = _sign_of(evidence, tolerance, is_short | is_stuck)
    rules = (
        (jnp.isnan(tolerance) | (jnp.isnan(baseline.value) if baseline else never), UNDECIDED),
        (~is_finite | _diverged(evidence), DIVERGED),
        ((sign == RISES) | (sign == STALLS), OVER_FITTING),
        (_improves(evidence), IMPROVING),
        (_under_fits(evidence, baseline) if baseline else never, UNDER_FITTING),
        (sign == GAP, OVER_FITTING),
        (_is_hidden(evidence) | is_short | is_stuck | is_near, UNDECIDED),
    )
    state = jnp.select([rule for rule, _ in rules], [jnp.asarray(name) for _, name in rules], jnp.asarray(HEALTHY))
    is_over_fitting = state == OVER_FITTING
    onset = jnp.where(evidence.setback.value > evidence.setback.half, evidence.turn, evidence.stall)
    worst = jnp.maximum(evidence.gap.value, evidence.setback.value)
    return Verdict(
        state=state,
        sign=jnp.where(is_over_fitting, sign, NO_SIGN),
        onset=jnp.where(is_over_fitting, onset, -1),
        severity=jnp.maximum(worst / jnp.maximum(evidence.scale, jnp.finfo(worst.dtype).tiny), 0.0),
    )


def _sign_of(evidence: Evidence, tolerance: Array, is_unseen: Array) -> Int[Array, ""]:
    """Validation rises while training does not; or it stalls while training improves; or the gap alone."""
    least_rise, least_gap = (jnp.maximum(share * evidence.scale, tolerance) for share in (LEAST_RISE, LEAST_GAP))
    rises = evidence.setback.exceeds(least_rise) & (evidence.since_turn.value <= evidence.since_turn.half)
    stalls = evidence.growth.exceeds(least_gap) & (evidence.since_stall.value < -evidence.since_stall.half)
    stalls &= (evidence.stalled_share >= LEAST_STALL) & ~_improves(evidence)
    gap = evidence.gap.exceeds(jnp.where(is_unseen, jnp.maximum(least_gap, SEVERE * evidence.scale), least_gap))
    signs = {RISES: rises, STALLS: stalls, GAP: gap}
    return jnp.select([*signs.values()], [jnp.asarray(sign) for sign in signs], jnp.asarray(NO_SIGN))


def _improves(evidence: Evidence) -> Bool[Array, ""]:
    return evidence.gain.exceeds(LEAST_RISE * evidence.scale)


def _diverged(evidence: Evidence) -> Bool[Array, ""]:
    """Both curves lost half of what they had gained, or more than there was to gain."""
    train = evidence.train_setback.exceeds(_lost(evidence, evidence.train_descent))
    return train & evidence.setback.exceeds(_lost(evidence, evidence.descent))


def _lost(evidence: Evidence, descent: Estimate) -> Float[Array, ""]:
    return jnp.maximum(LEAST_GAP * evidence.scale, LOST * descent.value)


def _under_fits(evidence: Evidence, baseline: Reference) -> Bool[Array, ""]:
    """Neither curve may be better than the baseline, and training did not come to that by diverging."""
    has_fallen_back = evidence.train_setback.value >= _lost(evidence, evidence.train_descent)
    return ~_is_beaten(evidence, baseline, -1.0) & ~has_fallen_back


def _is_beaten(evidence: Evidence, baseline: Reference, doubt: float) -> Bool[Array, ""]:
    """Whether a curve is better than the baseline: for certain at a doubt of 1, possibly at -1."""
    ends = (evidence.train_end, evidence.valid_end)
    train, valid = (baseline.value - end.value - doubt * end.half > LEAST_GAP * baseline.room for end in ends)
    return train | valid


def _is_hidden(evidence: Evidence) -> Bool[Array, ""]:
    return jnp.maximum(evidence.gap.half, evidence.setback.half) > VISIBLE * evidence.scale


def _learned_nothing(evidence: Evidence) -> Bool[Array, ""]:
    """Neither curve improved on its start: stuck, or done before the first step. A baseline would tell."""
    least = LEAST_RISE * evidence.scale
    return ~evidence.descent.exceeds(least) & ~evidence.train_descent.exceeds(least)
