"""What kind of decay it is: how the shrinks of weights of several sizes compare, with and without a gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from ._probe import LARGER, ROUNDING, SIZES, UNIT, Answer
from ._rounding import Trial

Kind: TypeAlias = Literal[
    "none", "proportional", "constant", "mixed", "reference", "preconditioned", "double", "nonlinear", "unknown"
]
L1: TypeAlias = Literal["", "the Lasso's", "a share of the step"]
Convention: TypeAlias = Literal["", "torch's", "the paper's", "rate^2", "another"]
Points: TypeAlias = Sequence[tuple[float, float]]

LEAST_SEEN = 1e-5
"""The share of a decay that is left beside a gradient if there is another one that is not buried."""
LEAST_LEFT = 0.4
"""A decay that keeps less of itself beside a gradient is buried in it; a cautious one keeps half."""


def kind_of(answer: Answer, trial: Trial) -> Kind:
    """Name a leaf's decay by how its shrink depends on the size of the weights."""
    readings = answer.by_size
    if not all(reading.is_finite for reading in (*readings, trial)):
        return "unknown"
    is_buried = answer.is_normalized and abs(answer.beside_gradient) < LEAST_LEFT
    points = [(float(s), float(r.shrink)) for s, r in zip(SIZES, readings, strict=True) if not r.is_zeroed]
    # The epsilon of a preconditioner bends the answer of small weights.
    shape = _shape(points[-3:], 0.2) if is_buried else _shape(points, 0.02)
    if readings[-1].drift > 2.0 * readings[UNIT].drift + ROUNDING * SIZES[-1]:
        return "nonlinear"
    if shape == "proportional" and readings[0].drift > 0.01 * abs(readings[0].shrink):
        return "reference"
    if is_buried and answer.beside_gradient > LEAST_SEEN and _shape(points[-3:], 1e-4) == "mixed":
        return "double"
    return "preconditioned" if is_buried and shape in ("proportional", "constant", "mixed") else shape


def l1_of(answer: Answer, kind: Kind) -> L1:
    """What the strength of a proximal L1 means: how far its threshold is a share of a step tells, as gradients grow."""
    low, high = answer.l1_shares
    if kind not in ("constant", "mixed") or not answer.reaches_zero or not low > 0.0:
        return ""
    if abs(high - low) <= 0.05 * low:
        return "a share of the step"
    return "the Lasso's" if abs(LARGER * high - low) <= 0.05 * low else ""


def convention_of(shrink: float, at_double_rate: float) -> Convention:
    """How a shrink goes with the learning rate, from what it is at twice the rate."""
    ratio = at_double_rate / shrink if shrink else 0.0
    known: dict[Convention, float] = {"the paper's": 1.0, "torch's": 2.0, "rate^2": 4.0}
    found: list[Convention] = [name for name, times in known.items() if abs(ratio - times) <= 0.05 * times]
    return found[0] if found else "another"


def shrink_of(answer: Answer, kind: Kind) -> float:
    """What a weight of 1 loses; a constant is read where float32 has most digits left of it."""
    kept = [reading for reading in answer.by_size if not reading.is_zeroed]
    reading = kept[0] if kind == "constant" and kept else answer.by_size[UNIT]
    return float(reading.shrink) + 0.0  # No negative zero.


def _shape(points: Points, tolerance: float) -> Kind:
    if len(points) < 2:
        return "constant" if points else "proportional"
    if all(shrink == 0.0 for _, shrink in points):
        return "none"
    (low, first), (high, second) = points[:2]
    slope = (second - first) / (high - low)
    lines: dict[Kind, Callable[[float], float]] = {
        "proportional": lambda size: first * size / low,
        "constant": lambda size: first,
        "mixed": lambda size: first + slope * (size - low),
    }
    fitting: list[Kind] = [kind for kind, line in lines.items() if _fits(points, line, tolerance)]
    if len(fitting) == len(lines):  # All are below the digits of large weights: the small ones tell.
        return min(fitting[:2], key=lambda kind: abs(lines[kind](high) - second))
    if fitting[:1] == ["mixed"] and slope * lines["mixed"](0.0) < 0.0:
        return "nonlinear"  # A projection onto a sphere is affine along a ray, but no sum of two decays.
    return fitting[0] if fitting else "nonlinear"


def _fits(points: Points, line: Callable[[float], float], tolerance: float) -> bool:
    return all(abs(line(size) - shrink) <= tolerance * abs(shrink) + ROUNDING * size for size, shrink in points)
