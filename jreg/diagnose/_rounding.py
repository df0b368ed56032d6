"""Whether rounding undoes a shrink: weights in their own dtypes, updated until they must have moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._core.types import Tree
from ._probe import UNIT, Answer, Probe, scaled, units

START, NOTCH = 1.5, 0.125
"""Where rounding is tried: between powers of two, where the steps of a dtype do not change."""
FEWEST_STEPS, MOST_STEPS, MOST_ELEMENTS = 32, 1000, 1e8
"""Updates in which a movement of rounded weights is waited for, and all the elements they may cost."""


class Trial(NamedTuple):
    """Whether weights in their own dtype stay finite, and whether none has moved where float32 moves them."""

    is_finite: bool
    is_lost: bool


def try_rounding(probe: Probe, answers: Sequence[Answer]) -> list[Trial]:
    """Update weights in their own dtypes at zero gradient, if any is narrow or a shrink is below its last digit."""
    leaves, shrinks = probe.leaves, [abs(float(answer.by_size[UNIT].shrink)) for answer in answers]
    digits = [float(jnp.finfo(s.dtype).eps) if jnp.issubdtype(s.dtype, jnp.inexact) else 0.0 for s in leaves]
    is_risky = [0.0 < shrink < digit for shrink, digit in zip(shrinks, digits, strict=True)]
    if max(digits) <= jnp.finfo(jnp.float32).eps and not any(is_risky):
        return [Trial(is_finite=True, is_lost=False)] * len(leaves)
    # So many that rounding at random, whose odds are shrink / digit, moves some element of each leaf.
    found = zip(leaves, shrinks, digits, is_risky, strict=True)
    needed = max((16 * digit / (shrink * max(s.size, 1)) for s, shrink, digit, risky in found if risky), default=1)
    most = min(MOST_STEPS, MOST_ELEMENTS / sum(leaf.size for leaf in leaves))
    wait = max(answer.step for answer in answers) + 1
    trials = _updated(probe, int(max(FEWEST_STEPS, 4 * wait, min(needed, most))))
    return [trial._replace(is_lost=risky and trial.is_lost) for risky, trial in zip(is_risky, trials, strict=True)]


def _updated(probe: Probe, num_steps: int) -> list[Trial]:
    """The state is made from other weights than those that are updated.

    A copy of the weights in it then shows at once, not after as many steps as fit into half of the last digit.
    """
    unflatten, directions = probe.structure.unflatten, units(probe.leaves, 0)
    start, zeros = scaled(directions, START), unflatten(scaled(directions, 0.0))
    state = probe.optimizer.init(unflatten(scaled(directions, START + NOTCH)))

    @jax.jit
    def step(weights: Tree, state: Any) -> tuple[Tree, Any]:
        updates, state = probe.optimizer.update(zeros, state, weights)
        return jax.tree.map(lambda w, update: (w + update).astype(w.dtype), weights, updates), state

    weights = unflatten(start)
    for _ in range(num_steps):
        weights, state = step(weights, state)
    ends = zip(start, probe.structure.flatten_up_to(weights), strict=True)
    return [Trial(is_finite=bool(jnp.all(jnp.isfinite(w))), is_lost=bool(jnp.all(w == first))) for first, w in ends]
