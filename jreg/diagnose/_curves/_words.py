"""The diagnosis in words: the state, since when, the numbers, and the lever to try first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from . import _states
from ._states import SEVERE

if TYPE_CHECKING:
    from ._diagnosis import Diagnosis

REMEDIES = {
    _states.RISES: "Try first to stop there: train.fit and train.run do with `patience`, and return those weights as "
    "`best` in any case. Then raise optim.with_decoupled_decay.",
    _states.STALLS: "Try first optim.with_decoupled_decay or noise.dropout, one at a time; train.sweep tries strengths "
    "and seeds in one program.",
    _states.GAP: "Try first new examples: augment.mixup, or augmentations that keep the label true. Then "
    "noise.dropout or optim.with_decoupled_decay.",
}
"""By what shows the over-fitting."""
REDUCE = (
    "Reduce first: halve the rate of noise.dropout and the strength of optim.with_decoupled_decay, or leave them out. "
    "If training still does not improve, the learning rate or the size of the model is wrong. Add no regularization."
)
TRAIN_ON = "Train on first: train.fit continues a run that it is given as `state`."
STEADY = "Lower the learning rate first; train.run(non_finite='raise') names the step that broke."
MEASURE = "Try first more seeds, by train.sweep, or more validation rows."
NOTHING = "Change nothing; measure it on test rows once."


def describe(diagnosis: Diagnosis, unit: str) -> str:
    shape = np.shape(diagnosis.state)
    if not shape:
        return _sentences(diagnosis, unit)
    places = np.ndindex(*shape)
    return "\n".join(
        f"{', '.join(map(str, place))}: {_sentences(jax.tree.map(lambda leaf, at=place: leaf[at], diagnosis), unit)}"
        for place in places
    )


def _sentences(diagnosis: Diagnosis, unit: str) -> str:
    found = type(diagnosis)(*(np.asarray(field).item() for field in diagnosis))
    tell = {
        _states.OVER_FITTING: _over_fitting,
        _states.UNDER_FITTING: _under_fitting,
        _states.IMPROVING: _improving,
        _states.DIVERGED: _diverged,
        _states.HEALTHY: _healthy,
        _states.UNDECIDED: _undecided,
    }[int(found.state)]
    said = tell(found, unit)
    return said if found.num_seeds < 2 else f"{said} (Means over {found.num_seeds} runs.)"


def _over_fitting(found: Any, unit: str) -> str:
    degree = "Severe" if found.severity >= SEVERE else "Mild"
    gap = f"gap is {_number(found.final_gap, found.gap_interval)}"
    lost = f"validation then lost {_number(found.setback, found.setback_interval)}"
    further = lost if found.setback > found.setback_interval else "validation has come no further since"
    what = {
        _states.RISES: f"{lost} while training did not, and the {gap}",
        _states.STALLS: f"validation has not improved since, while training did, and the {gap}",
        _states.GAP: f"{further}, and the {gap}, more than noise explains",
    }[found.sign]
    return f"{degree} over-fitting since {unit} {found.onset}: {what}. {_best(found, unit)} {REMEDIES[found.sign]}"


def _under_fitting(found: Any, unit: str) -> str:
    ends = f"training ends at {found.train_end:.4g} and validation at {found.valid_end:.4g}"
    return f"Under-fitting: {ends}, no better than the baseline. {REDUCE}"


def _improving(found: Any, unit: str) -> str:
    gain = _number(found.gain, found.gain_interval)
    return f"Still improving: validation gained {gain} in the last quarter. {_best(found, unit)} {TRAIN_ON}"


def _diverged(found: Any, unit: str) -> str:
    if found.best_step < 0:
        return f"Diverged: no value is a number. {STEADY}"
    return (
        f"Diverged: both curves lost after {unit} {found.best_step} what they had gained. {_best(found, unit)} {STEADY}"
    )


def _healthy(found: Any, unit: str) -> str:
    gap, setback = _number(found.final_gap, found.gap_interval), _number(found.setback, found.setback_interval)
    return f"Healthy: the gap is {gap}, and validation lost {setback} since its best. {_best(found, unit)} {NOTHING}"


def _undecided(found: Any, unit: str) -> str:
    if found.num_steps < _states.FEWEST_STEPS:
        return f"Undecided: {found.num_steps} {unit}s are too few to say. {TRAIN_ON}"
    widest = max(found.gap_interval, found.setback_interval)
    if widest > _states.VISIBLE * found.scale:
        noise = f"a single value varies by {max(found.train_noise, found.valid_noise):.2g}"
        return f"Too noisy to say: {noise}, which hides changes below {widest:.2g}. {MEASURE}"
    return (
        f"Undecided: training ends at {found.train_end:.4g} and validation at {found.valid_end:.4g}, and neither is "
        "clearly better than where it started or than the baseline. Give `baseline`, such as that of "
        "diagnose.majority_baseline: below it nothing was learned."
    )


def _best(found: Any, unit: str) -> str:
    return f"Best at {unit} {found.best_step} ({found.best_value:.4g}, gap {found.gap_at_best:.4g})."


def _number(value: float, half: float) -> str:
    return f"{value:.3g} ± {half:.2g}"
