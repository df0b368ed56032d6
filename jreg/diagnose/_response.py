"""What kind of decay it is: weights of several sizes, with and without a gradient, and how their shrinks compare."""

from collections.abc import Callable, Sequence
from math import nan
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from .._core.types import Tree
from ._probe import Reading, Trial, make_probe, try_rounding

Kind: TypeAlias = Literal[
    "none", "proportional", "constant", "mixed", "reference", "preconditioned", "nonlinear", "unknown"
]
Points: TypeAlias = Sequence[tuple[float, float]]

SIZES = (1 / 64, 1 / 32, 1.0, 2.0, 8.0)
"""Sizes of weights: powers of two, so that scaling costs no digits."""
UNIT = SIZES.index(1.0)
SMALL_GRADIENTS, LARGE_GRADIENT, SMALL_WEIGHT = (1e-3, 1e-2), 100.0, 1e-6
NUDGE = 0.05
"""How far a gradient that is not normalized may move a weight of 1 while its decay is measured."""
LEAST_LEFT = 0.4
"""A decay that keeps less of itself beside a gradient is buried in it; a cautious one keeps half."""
ROUNDING = 1e-6
"""What float32 may lose of a shrink, relative to the weight that it was subtracted from."""
FEWEST_STEPS, MOST_STEPS, MOST_ELEMENTS = 32, 1000, 1e8
"""Updates in which a movement of rounded weights is waited for, and all the elements they may cost."""


class Answer(NamedTuple):
    """What a leaf answered: a reading for each of `SIZES`, and what `LeafAudit` takes from here."""

    by_size: tuple[Reading, ...]
    is_normalized: bool
    beside_gradient: float
    reaches_zero: bool
    step: int
    trial: Trial


def ask(optimizer: Any, shapes: Tree, num_steps: int) -> list[Answer]:
    """Probe all leaves at once; each is read at its first step that shrinks."""
    probe, leaves = make_probe(optimizer, shapes), range(len(jax.tree.leaves(shapes)))

    def rows(sizes: float | list[float], gradients: float | list[float], updates: int) -> list[list[Reading]]:
        per_leaf = [[size] * len(leaves) if isinstance(size, float | int) else size for size in (sizes, gradients)]
        return probe(per_leaf[0], per_leaf[1], updates)

    waited = [rows(size, 0.0, num_steps) for size in (1.0, SIZES[-1])]
    steps = [_first_step(leaf, *waited) for leaf in leaves]

    def at(sizes: float | list[float], gradients: float | list[float] = 0.0) -> list[Reading]:
        found = rows(sizes, gradients, max(steps) + 1)
        return [found[steps[leaf]][leaf] for leaf in leaves]

    by_size = list(zip(*map(at, SIZES), strict=True))
    # A trust ratio needs a weight to divide by, and a subgradient of L1 hides a small gradient unless there is none.
    pairs = [[at(size, gradient) for gradient in SMALL_GRADIENTS] for size in (0.0, SMALL_WEIGHT)]
    is_flat = [any(0.0 < 0.5 * b[leaf].drift < a[leaf].drift for a, b in pairs) for leaf in leaves]
    beside = at(1.0, [_gradient(float(pairs[0][0][leaf].drift), is_flat[leaf]) for leaf in leaves])
    zeroed = at([_threshold(readings) / 2 for readings in by_size])
    trials = _trials(optimizer, shapes, [float(readings[UNIT].shrink) for readings in by_size], max(steps) + 1)
    return [
        Answer(
            by_size=by_size[leaf],
            is_normalized=is_flat[leaf],
            beside_gradient=_share_left(by_size[leaf][UNIT], beside[leaf]),
            reaches_zero=bool(zeroed[leaf].is_zeroed or any(reading.is_zeroed for reading in by_size[leaf])),
            step=steps[leaf],
            trial=trials[leaf],
        )
        for leaf in leaves
    ]


def kind_of(answer: Answer) -> Kind:
    """Name a leaf's decay by how its shrink depends on the size of the weights."""
    readings = answer.by_size
    if not all(reading.is_finite for reading in (*readings, answer.trial)):
        return "unknown"
    is_buried = answer.is_normalized and abs(answer.beside_gradient) < LEAST_LEFT
    points = [(float(s), float(r.shrink)) for s, r in zip(SIZES, readings, strict=True) if not r.is_zeroed]
    # The epsilon of a preconditioner bends the answer of small weights.
    shape = _shape(points[-3:], 0.2) if is_buried else _shape(points, 0.02)
    if readings[-1].drift > 2.0 * readings[UNIT].drift + ROUNDING * SIZES[-1]:
        return "nonlinear"
    if shape == "proportional" and readings[0].drift > 0.01 * abs(readings[0].shrink):
        return "reference"
    return "preconditioned" if is_buried and shape in ("proportional", "constant", "mixed") else shape


def shrink_of(answer: Answer, kind: Kind) -> float:
    """What a weight of 1 loses; a constant is read where float32 has most digits left of it."""
    kept = [reading for reading in answer.by_size if not reading.is_zeroed]
    reading = kept[0] if kind == "constant" and kept else answer.by_size[UNIT]
    return float(reading.shrink) + 0.0  # No negative zero.


def _first_step(leaf: int, *probes: list[list[Reading]]) -> int:
    moving = (step for step, rows in enumerate(zip(*probes, strict=True)) if any(row[leaf].moved for row in rows))
    return next(moving, 0)


def _gradient(drift: float, is_normalized: bool) -> float:
    """Much larger than the decay where it is normalized anyway, else one that moves a weight by `NUDGE`."""
    if is_normalized:
        return LARGE_GRADIENT
    return NUDGE * SMALL_GRADIENTS[0] / drift if drift else 1.0


def _share_left(alone: Reading, beside: Reading) -> float:
    """NaN where the gradient's step is so much longer than the shrink that float32 hides it."""
    total = float(alone.shrink * alone.moved)
    if abs(total) <= ROUNDING * beside.drift:
        return nan if total else 0.0
    return float(beside.shrink * beside.moved) / total


def _threshold(readings: Sequence[Reading]) -> float:
    """What a weight loses however small it is: below it, a proximal step leaves exact zeros."""
    first, second = (float(reading.shrink) for reading in readings[:2])
    return max(first - (second - first) / (SIZES[1] - SIZES[0]) * SIZES[0], 0.0)


def _trials(optimizer: Any, shapes: Tree, shrinks: Sequence[float], wait: int) -> list[Trial]:
    """Run the optimizer in the dtypes of its weights, if any is narrow or a shrink is below its last digit."""
    leaves = jax.tree.leaves(shapes)
    digits = [float(jnp.finfo(s.dtype).eps) if jnp.issubdtype(s.dtype, jnp.inexact) else 0.0 for s in leaves]
    is_risky = [0.0 < abs(shrink) < digit for shrink, digit in zip(shrinks, digits, strict=True)]
    if max(digits) <= jnp.finfo(jnp.float32).eps and not any(is_risky):
        return [Trial(is_finite=True, is_lost=False)] * len(leaves)
    # So many that rounding at random, whose odds are shrink / digit, moves some element of each leaf.
    found = zip(leaves, shrinks, digits, is_risky, strict=True)
    needed = max((16 * digit / (abs(shrink) * max(s.size, 1)) for s, shrink, digit, risky in found if risky), default=1)
    most = min(MOST_STEPS, MOST_ELEMENTS / sum(leaf.size for leaf in leaves))
    trials = try_rounding(optimizer, shapes, int(max(FEWEST_STEPS, 4 * wait, min(needed, most))))
    return [trial._replace(is_lost=risky and trial.is_lost) for risky, trial in zip(is_risky, trials, strict=True)]


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
