"""Reading learning curves: the gap between training and validation, and when over-fitting set in."""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._core.checks import Checks
from .._core.types import Number


class Diagnosis(NamedTuple):
    """What two learning curves say. Steps count from 0, -1 means none; gaps are positive where validation is worse.

    Attributes:
      best_step: the step with the best validation value.
      best_value: that value.
      gap_at_best: the gap between training and validation at that step.
      final_gap: the gap at the last step.
      onset: the step at which over-fitting set in.
      setback: by how much validation is worse at the last step than at its best.
    """

    best_step: Int[Array, ""]
    best_value: Float[Array, ""]
    gap_at_best: Float[Array, ""]
    final_gap: Float[Array, ""]
    onset: Int[Array, ""]
    setback: Float[Array, ""]

    def describe(self, unit: str = "step") -> str:
        """The diagnosis in words; `unit` is the name of one step."""
        if int(self.best_step) < 0:
            return "No validation value is a number: the run diverged from the start."
        best = f"Best at {unit} {int(self.best_step)} ({float(self.best_value):.4g}, gap {float(self.gap_at_best):.4g})"
        if int(self.onset) < 0:
            return f"{best}. No over-fitting: the final gap is {float(self.final_gap):.4g}."
        return (
            f"{best}. Over-fitting since: validation then lost {float(self.setback):.4g} while training improved, "
            f"and the final gap is {float(self.final_gap):.4g}."
        )


def curves(
    train: Float[Array, " steps"],
    valid: Float[Array, " steps"],
    *,
    tolerance: Number = 0.0,
    mode: Literal["min", "max"] = "min",
) -> Diagnosis:
    """Find the best step, the gap there and at the end, and the onset of over-fitting; traceable.

    The onset is the best validation step, if by the last step validation is worse than there by more than `tolerance`
    while training is better. NaN, such as the history after an early stop, is skipped.

    Args:
      train, valid: one metric at the same steps, on training and validation data.
      tolerance: at least 0, in the metric's units.
      mode: whether lower ("min", a loss) or higher ("max", an accuracy) is better.

    Raises:
      ValueError: curves that are empty or of different lengths, or a concrete tolerance below 0 (with a traced one no
        onset is found).

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> found = diagnose.curves(jnp.array([1.0, 0.5, 0.2, 0.1]), jnp.array([1.1, 0.7, 0.8, 0.9]))
    >>> int(found.onset), round(float(found.final_gap), 4), round(float(found.setback), 4)
    (1, 0.8, 0.2)
    """
    check = Checks("curves")
    check.choice("mode", mode, ("min", "max"))
    train, valid = check.inexact("train", train), check.inexact("valid", valid)
    tolerance = check.number("tolerance", tolerance, low=0.0).astype(valid.dtype)
    if train.ndim != 1 or train.shape != valid.shape or train.size == 0:
        raise ValueError(
            f"curves: train and valid must be one-dimensional and of one length; got {train.shape}, {valid.shape}"
        )
    sign = 1.0 if mode == "min" else -1.0
    is_known = ~(jnp.isnan(train) | jnp.isnan(valid))
    best = jnp.argmin(jnp.where(is_known, sign * valid, jnp.inf))
    best = jnp.where(is_known[best], best, jnp.argmax(is_known))
    last = train.size - 1 - jnp.argmax(is_known[::-1])
    gap = sign * (valid - train)
    setback = sign * (valid[last] - valid[best])
    has_onset = (setback > tolerance) & (sign * (train[last] - train[best]) < 0.0)
    is_any = jnp.any(is_known)
    return Diagnosis(
        best_step=jnp.where(is_any, best, -1),
        best_value=valid[best],
        gap_at_best=gap[best],
        final_gap=gap[last],
        onset=jnp.where(is_any & has_onset, best, -1),
        setback=setback,
    )
