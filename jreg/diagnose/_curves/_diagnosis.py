"""The result of `curves`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from . import _words
from ._states import STATES


class Diagnosis(NamedTuple):
    """What two learning curves say. Steps count from 0, -1 means none; gaps are positive where validation is worse.

    Intervals are half-widths: differences up to them may be noise. Every array has the leading axes of the settings.

    Attributes:
      state: the number of the state's name in `Diagnosis.STATES`.
      sign: what shows over-fitting: 1 validation rises, 2 it stalls while training improves, 3 the gap; 0 nothing.
      best_step: the step with the best validation value, the median over seeds.
      best_value: that value, the mean over seeds.
      gap_at_best: the gap between training and validation at that step.
      final_gap: the gap at the end.
      gap_interval: what of it noise explains.
      onset: the step at which over-fitting set in.
      setback: by how much validation is worse at the end than at its best.
      setback_interval: what of it noise explains.
      gain: by how much validation improved from the third quarter of the steps to the last.
      gain_interval: what of it noise explains.
      severity: the larger of gap and setback, as a share of the scale; 0.2 and more is severe.
      scale: what training has gained since its start (since the baseline, if there is one), or the validation value if
        that is larger; for a score between 0 and 1, its distance from 1 if that is.
      train_end, valid_end: the curves at the end.
      train_noise, valid_noise: the standard deviation of a single value, estimated from each curve itself.
      num_steps: the steps with values of the longest run.
      num_seeds: the runs with values.
    """

    STATES = STATES

    state: Int[Array, "..."]
    sign: Int[Array, "..."]
    best_step: Int[Array, "..."]
    best_value: Float[Array, "..."]
    gap_at_best: Float[Array, "..."]
    final_gap: Float[Array, "..."]
    gap_interval: Float[Array, "..."]
    onset: Int[Array, "..."]
    setback: Float[Array, "..."]
    setback_interval: Float[Array, "..."]
    gain: Float[Array, "..."]
    gain_interval: Float[Array, "..."]
    severity: Float[Array, "..."]
    scale: Float[Array, "..."]
    train_end: Float[Array, "..."]
    valid_end: Float[Array, "..."]
    train_noise: Float[Array, "..."]
    valid_noise: Float[Array, "..."]
    num_steps: Int[Array, "..."]
    num_seeds: Int[Array, "..."]

    @property
    def name(self) -> str | np.ndarray:
        """The name of the state; an array of names if there are several settings."""
        names = np.asarray(STATES)[np.asarray(self.state)]
        return str(names) if names.ndim == 0 else names

    def describe(self, unit: str = "step") -> str:
        """The diagnosis in words, and what to try first; `unit` is the name of one step. A line per setting."""
        return _words.describe(self, unit)
