"""How an optimizer answers to weights and gradients of known sizes, seen only through `init` and `update`.

A weight is probed with both signs. The odd half of the two answers is what pulls it towards zero; the even half does
not depend on the sign: the step that the gradient asks for, the pull of a reference, noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import nan
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._core import dtypes
from .._core.types import Tree

Scalar: TypeAlias = Any
"""A jax scalar where it is measured, numpy's where it is read."""
Sizes: TypeAlias = float | Sequence[float]
"""One size for all leaves, or one for each."""

SIZES = (1 / 64, 1 / 32, 1.0, 2.0, 8.0)
"""Sizes of weights: powers of two, so that scaling costs no digits."""
UNIT = SIZES.index(1.0)
FIRM = SIZES[-2:]
"""Sizes of weights that no threshold reaches soon."""
SMALL_GRADIENTS, LARGE_GRADIENT, SMALL_WEIGHT = (1e-3, 1e-2), 100.0, 1e-6
LARGER = 4.0
"""A gradient to compare with one of 1."""
NUDGE = 0.05
"""How far a gradient that is not normalized may move a weight of 1 while its decay is measured."""
ROUNDING = 1e-6
"""What float32 may lose of a shrink, relative to the weight that it was subtracted from."""


class Reading(NamedTuple):
    """What one update does to a leaf whose weights all have one size.

    The share of its elements with an odd half, the mean over these of that half towards zero, the largest even half,
    whether these elements reach exact zero, and whether all of it is finite.
    """

    moved: Scalar
    shrink: Scalar
    drift: Scalar
    is_zeroed: Scalar
    is_finite: Scalar


class Answer(NamedTuple):
    """What a leaf answered: a reading for each of `SIZES`, and what `LeafAudit` takes from here.

    `l1_shares` are the constant parts of its shrink, as shares of the steps that gradients of 1 and `LARGER` make.
    """

    by_size: tuple[Reading, ...]
    is_normalized: bool
    beside_gradient: float
    reaches_zero: bool
    l1_shares: tuple[float, float]
    step: int


class _Leaf(NamedTuple):
    """What a leaf has answered so far, and the gradient and the threshold that it is asked about next."""

    step: int
    by_size: tuple[Reading, ...]
    is_normalized: bool
    gradient: float
    threshold: float


class Probe:
    """An optimizer whose weights stay where they are, in float32 or wider: `_rounding` is about narrower ones."""

    def __init__(self, optimizer: Any, shapes: Tree) -> None:
        self.optimizer = optimizer
        self.leaves, self.structure = jax.tree.flatten(shapes)
        wide = [jax.ShapeDtypeStruct(leaf.shape, _widened(leaf.dtype)) for leaf in self.leaves]
        self._directions, self._slopes = units(wide, 0), units(wide, 1)
        self._update, self._measure = jax.jit(optimizer.update), jax.jit(_measured)

    def read(self, sizes: Sizes, gradient_sizes: Sizes, num_steps: int) -> list[tuple[Reading, ...]]:
        """For every leaf, the readings of the first updates."""
        weights, slopes = scaled(self._directions, sizes), scaled(self._slopes, gradient_sizes)
        plus, minus = self._updates(weights, slopes), self._updates(scaled(weights, -1.0), slopes)
        pairs = islice(zip(plus, minus, strict=False), num_steps)
        rows = [jax.device_get(self._measure(*pair, weights, self._directions)) for pair in pairs]
        return list(zip(*rows, strict=True))

    def _updates(self, leaves: list[Array], slopes: list[Array]) -> Iterator[list[Array]]:
        weights, gradients = self.structure.unflatten(leaves), self.structure.unflatten(slopes)
        state = self.optimizer.init(weights)
        while True:
            updates, state = self._update(gradients, state, weights)
            yield self.structure.flatten_up_to(updates)


def ask(probe: Probe, num_steps: int) -> list[Answer]:
    """Probe all leaves at once; each is read at its first step that shrinks."""
    waited = [probe.read(size, 0.0, num_steps) for size in (1.0, SIZES[-1])]
    steps = [_first_step(*readings) for readings in zip(*waited, strict=True)]

    def at(sizes: Sizes, gradients: Sizes = 0.0) -> list[Reading]:
        found = probe.read(sizes, gradients, max(steps) + 1)
        return [readings[step] for readings, step in zip(found, steps, strict=True)]

    alone = list(zip(*map(at, SIZES), strict=True))
    # In the metric of an adaptive optimizer a weight without a gradient is zeroed whatever its size: large ones are
    # read beside a gradient.
    if any(map(_is_hidden, alone)):
        pairs = zip(alone, zip(*(at(size, 1.0) for size in SIZES[UNIT:]), strict=True), strict=True)
        alone = [(*readings[:UNIT], *beside) if _is_hidden(readings) else readings for readings, beside in pairs]
    # A trust ratio needs a weight to divide by, and a subgradient of L1 hides a small gradient unless there is none.
    small = [zip(*(at(size, gradient) for gradient in SMALL_GRADIENTS), strict=True) for size in (0.0, SMALL_WEIGHT)]
    pairs = zip(*small, strict=True)
    leaves = [_leaf(*found) for found in zip(steps, alone, pairs, strict=True)]
    beside = at(1.0, [leaf.gradient for leaf in leaves])
    below = at([leaf.threshold / 2 for leaf in leaves])
    firm = zip(*(at(size, gradient) for gradient in (1.0, LARGER) for size in FIRM), strict=True)
    return [_answer(*found) for found in zip(leaves, beside, below, firm, strict=True)]


def units(leaves: Sequence[Any], seed: int) -> list[Array]:
    """Numbers of modulus 1 with random signs; zeros where a leaf holds no floats."""
    keys = jax.random.split(jax.random.key(seed), len(leaves))

    def of_leaf(key: Array, leaf: Any) -> Array:
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return jnp.zeros(leaf.shape, leaf.dtype)
        unit = 0.6 + 0.8j if jnp.issubdtype(leaf.dtype, jnp.complexfloating) else 1.0
        return jax.random.rademacher(key, leaf.shape, jnp.int8).astype(leaf.dtype) * jnp.asarray(unit, leaf.dtype)

    return [of_leaf(key, leaf) for key, leaf in zip(keys, leaves, strict=True)]


def scaled(directions: Sequence[Array], sizes: Sizes) -> list[Array]:
    per_leaf = [sizes] * len(directions) if isinstance(sizes, float | int) else sizes
    return [(direction * size).astype(direction.dtype) for direction, size in zip(directions, per_leaf, strict=True)]


def _measured(plus: list[Array], minus: list[Array], weights: list[Array], directions: list[Array]) -> list[Reading]:
    return [_reading(*leaf) for leaf in zip(plus, minus, weights, directions, strict=True)]


def _reading(plus: Array, minus: Array, w: Array, direction: Array) -> Reading:
    odd, even = (plus - minus) / 2, (plus + minus) / 2
    is_moved = odd != 0
    count = jnp.sum(is_moved)
    is_zero = (w + plus == 0) & (minus - w == 0)
    return Reading(
        moved=count / max(odd.size, 1),
        shrink=jnp.sum(-jnp.real(odd * jnp.conj(direction))) / jnp.maximum(count, 1),
        drift=jnp.max(jnp.abs(even), initial=0.0),
        is_zeroed=jnp.all(is_zero | ~is_moved) & (count > 0),
        is_finite=jnp.all(jnp.isfinite(odd)),
    )


def _first_step(*probes: Sequence[Reading]) -> int:
    moving = (step for step, readings in enumerate(zip(*probes, strict=True)) if any(one.moved for one in readings))
    return next(moving, 0)


def _leaf(step: int, by_size: tuple[Reading, ...], pairs: Sequence[tuple[Reading, Reading]]) -> _Leaf:
    """Each pair is read beside `SMALL_GRADIENTS`; their updates are much alike only where gradients are normalized."""
    is_normalized = any(0.0 < 0.5 * b.drift < a.drift for a, b in pairs)
    gradient = _gradient(float(pairs[0][0].drift), is_normalized)
    return _Leaf(step, by_size, is_normalized, gradient, _threshold(by_size))


def _gradient(drift: float, is_normalized: bool) -> float:
    """Much larger than the decay where it is normalized anyway, else one that moves a weight by `NUDGE`."""
    if is_normalized:
        return LARGE_GRADIENT
    return NUDGE * SMALL_GRADIENTS[0] / drift if drift else 1.0


def _threshold(readings: Sequence[Reading]) -> float:
    """What a weight loses however small it is: below it, a proximal step leaves exact zeros."""
    first, second = (float(reading.shrink) for reading in readings[:2])
    return max(first - (second - first) / (SIZES[1] - SIZES[0]) * SIZES[0], 0.0)


def _answer(leaf: _Leaf, beside: Reading, below: Reading, firm: Sequence[Reading]) -> Answer:
    return Answer(
        by_size=leaf.by_size,
        is_normalized=leaf.is_normalized,
        beside_gradient=_share_left(leaf.by_size[UNIT], beside),
        reaches_zero=bool(below.is_zeroed or any(reading.is_zeroed for reading in leaf.by_size)),
        l1_shares=(_l1_share(*firm[:2]), _l1_share(*firm[2:])),
        step=leaf.step,
    )


def _is_hidden(readings: Sequence[Reading]) -> bool:
    return all(reading.is_zeroed for reading in readings)


def _l1_share(small: Reading, large: Reading) -> float:
    """The part of a shrink that does not depend on the size of a weight, as a share of the step beside it."""
    constant = float(FIRM[1] * small.shrink - FIRM[0] * large.shrink) / (FIRM[1] - FIRM[0])
    return constant / float(small.drift) if small.drift and not small.is_zeroed else nan


def _share_left(alone: Reading, beside: Reading) -> float:
    """NaN where the gradient's step is so much longer than the shrink that float32 hides it."""
    total = float(alone.shrink * alone.moved)
    if abs(total) <= ROUNDING * beside.drift:
        return nan if total else 0.0
    return float(beside.shrink * beside.moved) / total


def _widened(dtype: Any) -> Any:
    return dtypes.widened(dtype) if jnp.issubdtype(dtype, jnp.inexact) else dtype
