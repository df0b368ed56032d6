"""Reading learning curves: the state of a run, since when, and by what evidence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..._core import dtypes
from ..._core.checks import Checks
from ..._core.types import Number
from . import _evidence, _reading, _states
from ._diagnosis import Diagnosis
from ._reading import Reading
from ._states import Reference

History: TypeAlias = Float[Array | np.ndarray, "*settings_and_seeds steps"] | Mapping[str, Any]


def curves(
    train: History,
    valid: History,
    *,
    baseline: Number | None = None,
    tolerance: Number = 0.0,
    mode: Literal["min", "max"] = "min",
    metric: str = "loss",
) -> Diagnosis:
    """Name the state of a run by its learning curves, with the evidence; traceable.

    - "diverged": a value that is not finite at the end, or both curves lost half of what they had gained;
    - "over-fitting": validation gets worse while training does not; or it stalls while training improves and leaves it
      behind; or the gap is large. It set in where validation was best, or stalled;
    - "still improving": validation was better in the last quarter of the steps than in the one before;
    - "under-fitting": neither curve beats the baseline;
    - "undecided": too noisy or too short to say, or flat from the start with no baseline to hold it against;
    - "healthy": none of these.

    Nothing counts that the noise of the curves explains, which is estimated from their second differences: a change
    must be 4 standard errors, beside 2 % of the scale for validation and 5 % for the gap. The scale is what training
    gained since its start, or since the baseline, or the size of validation at the end if that is larger. Several seeds
    make Student's interval of each number. NaN, such as the history after an early stop, is passed over: a run that
    ends in NaN is read up to there.

    What no curve shows is whether its validation rows are harder than the training rows: the seeds show that, if each
    draws rows of its own. Training values with noise, penalties or smoothed targets make the gap smaller than it is:
    evaluate on training rows for one that means something.

    Args:
      train, valid: one metric at the same steps, on training and validation data: arrays (steps,), (seeds, steps), or
        (settings..., seeds, steps) for a diagnosis of each setting. Dicts of them hold it by the name `metric`: the
        `train_history` and `valid_history` that `train.fit`, `train.run` and `train.sweep` return.
      baseline: a value that a model which fits must beat, such as that of `majority_baseline`, or another model's.
      tolerance: at least 0, in the metric's units: smaller gaps and setbacks count for nothing.
      mode: whether lower ("min", a loss) or higher ("max", an accuracy) is better.
      metric: the name of the metric in dicts.

    Raises:
      ValueError: curves that are empty or of different shapes, dicts without `metric`, or a concrete tolerance below 0
        (with a bad traced number the state is "undecided").

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> found = diagnose.curves(jnp.array([1.0, 0.5, 0.2, 0.1]), jnp.array([1.1, 0.7, 0.8, 0.9]))
    >>> found.name, int(found.onset), round(float(found.final_gap), 4), round(float(found.setback), 4)
    ('over-fitting', 1, 0.8, 0.2)
    """
    check = Checks("curves")
    check.choice("mode", mode, ("min", "max"))
    train, valid = read_pair(check, train, valid, metric)
    dtype = valid.dtype
    wide = dtypes.widened(dtypes.finer(dtype, train.dtype))
    tolerance = check.scalar("tolerance", tolerance, low=0.0).astype(wide)
    reference = None if baseline is None else check.scalar("baseline", baseline).astype(wide)
    settings, shape = train.shape[:-2], (-1, *train.shape[-2:])
    sign = jnp.asarray(1.0 if mode == "min" else -1.0, wide)
    found = _of_settings(
        train.astype(wide).reshape(shape), valid.astype(wide).reshape(shape), sign, tolerance, reference
    )
    return jax.tree.map(
        lambda leaf: (leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf).reshape(settings),
        found,
    )


@partial(jax.jit, inline=True)
def _of_settings(
    train: Float[Array, "settings seeds steps"],
    valid: Float[Array, "settings seeds steps"],
    sign: Float[Array, ""],
    tolerance: Float[Array, ""],
    baseline: Float[Array, ""] | None,
) -> Diagnosis:
    reference = None if baseline is None else _reference(baseline, sign)

    def of_setting(train: Array, valid: Array) -> Diagnosis:
        return _diagnosis(jax.vmap(_reading.read)(sign * train, sign * valid), reference, tolerance, sign)

    return jax.vmap(of_setting)(train, valid)


def read_pair(check: Checks, train: History, valid: History, metric: str) -> tuple[Array, Array]:
    """Two curves (settings..., seeds, steps)."""
    train, valid = (
        check.floating(name, _of_metric(check, name, given, metric))
        for name, given in (("train", train), ("valid", valid))
    )
    if train.ndim == 0 or train.shape != valid.shape or train.size == 0:
        raise ValueError(
            f"{check}: train and valid must be histories (steps,) or (seeds, steps) of one shape; "
            f"got {train.shape}, {valid.shape}"
        )
    return (train[None], valid[None]) if train.ndim == 1 else (train, valid)


def _of_metric(check: Checks, name: str, given: History, metric: str) -> Any:
    if not isinstance(given, Mapping):
        return given
    if metric not in given:
        raise ValueError(f"{check}: metric must be one of {sorted(given)}, the names in {name}; got {metric!r}")
    return given[metric]


def _reference(value: Float[Array, ""], sign: Float[Array, ""]) -> Reference:
    """Losses end at 0 and scores at 1, so that is how much better they can be; else, the baseline's own size."""
    is_score = (sign < 0.0) & (value >= 0.0) & (value < 1.0)
    return Reference(sign * value, jnp.where(is_score, 1.0 - value, jnp.abs(value)))


def _diagnosis(
    runs: Reading, baseline: Reference | None, tolerance: Float[Array, ""], sign: Float[Array, ""]
) -> Diagnosis:
    is_used = runs.num_steps > 0
    num_finite, num_runs = jnp.sum(runs.is_finite), runs.is_finite.size
    evidence = _evidence.gather(runs, None if baseline is None else baseline.value)
    verdict = _states.judge(
        evidence,
        baseline,
        tolerance=tolerance,
        is_finite=2 * num_finite > num_runs,
        num_steps=jnp.max(runs.num_steps),
    )
    has_best = runs.best_step >= 0
    ordered = jnp.sort(jnp.where(has_best, runs.best_step, jnp.iinfo(runs.best_step.dtype).max))
    num_best = jnp.sum(has_best)
    return Diagnosis(
        state=verdict.state,
        sign=verdict.sign,
        best_step=jnp.where(num_best > 0, ordered[jnp.maximum(num_best - 1, 0) // 2], -1),
        best_value=sign * _evidence.mean(runs.best_value, has_best),
        gap_at_best=_evidence.mean(runs.gap_at_best, has_best),
        final_gap=evidence.gap.value,
        gap_interval=evidence.gap.half,
        onset=verdict.onset,
        setback=evidence.setback.value,
        setback_interval=evidence.setback.half,
        gain=evidence.gain.value,
        gain_interval=evidence.gain.half,
        severity=verdict.severity,
        scale=evidence.scale,
        train_end=sign * evidence.train_end.value,
        valid_end=sign * evidence.valid_end.value,
        train_noise=_evidence.mean(runs.train_noise.level, is_used),
        valid_noise=_evidence.mean(runs.valid_noise.level, is_used),
        num_steps=jnp.max(runs.num_steps),
        num_seeds=jnp.sum(is_used),
    )
