"""How an optimizer answers to weights and gradients of known sizes, seen only through `init` and `update`.

A weight is probed with both signs. The odd half of the two answers is what pulls it towards zero; the even half does
not depend on the sign: the step that the gradient asks for, the pull of a reference, noise.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array

from .._core import dtypes
from .._core.types import Tree

Scalar: TypeAlias = Any
"""A jax scalar where it is measured, numpy's where it is read."""

START, NOTCH = 1.5, 0.125
"""Where rounding is tried: between powers of two, where the steps of a dtype do not change."""


class Reading(NamedTuple):
    """What one update does to a leaf whose weights all have one size.

    The share of its elements with an odd half, that half towards zero on average over these, the largest even half,
    whether these elements reach exact zero, and whether all of it is finite.
    """

    moved: Scalar
    shrink: Scalar
    drift: Scalar
    is_zeroed: Scalar
    is_finite: Scalar


class Trial(NamedTuple):
    """Whether weights in their own dtype stay finite, and whether they have not moved at all."""

    is_finite: bool
    is_lost: bool


Probe: TypeAlias = Callable[[Sequence[float], Sequence[float], int], list[list[Reading]]]
"""`probe(sizes, gradient_sizes, num_steps)` with sizes per leaf: for every update, a reading per leaf."""


def make_probe(optimizer: Any, shapes: Tree) -> Probe:
    """Weights stay where they are and are float32 or wider; `try_rounding` tells what narrower ones lose."""
    leaves, structure = jax.tree.flatten(shapes)
    wide = [jax.ShapeDtypeStruct(leaf.shape, _widened(leaf.dtype)) for leaf in leaves]
    directions, slopes = _units(wide, 0), _units(wide, 1)
    update, measure = jax.jit(optimizer.update), jax.jit(_measured)

    def answers(sizes: Sequence[float], gradient_sizes: Sequence[float]) -> Iterator[list[Array]]:
        weights = structure.unflatten(_scaled(directions, sizes))
        gradients = structure.unflatten(_scaled(slopes, gradient_sizes))
        state = optimizer.init(weights)
        while True:
            updates, state = update(gradients, state, weights)
            yield structure.flatten_up_to(updates)

    def probe(sizes: Sequence[float], gradient_sizes: Sequence[float], num_steps: int) -> list[list[Reading]]:
        plus, minus = answers(sizes, gradient_sizes), answers([-size for size in sizes], gradient_sizes)
        weights = _scaled(directions, sizes)
        pairs = islice(zip(plus, minus, strict=False), num_steps)
        return [jax.device_get(measure(*pair, weights, directions)) for pair in pairs]

    return probe


def try_rounding(optimizer: Any, shapes: Tree, num_steps: int) -> list[Trial]:
    """Update weights in their own dtypes at zero gradient.

    The state is made from other weights than those that are updated. A copy of the weights in it then shows at once,
    not after as many steps as fit into half of the last digit.
    """
    leaves, structure = jax.tree.flatten(shapes)
    directions = _units(leaves, 0)
    zeros = structure.unflatten(_scaled(directions, [0.0] * len(leaves)))
    start = _scaled(directions, [START] * len(leaves))
    state = optimizer.init(structure.unflatten(_scaled(directions, [START + NOTCH] * len(leaves))))

    @jax.jit
    def step(weights: Tree, state: Any) -> tuple[Tree, Any]:
        updates, state = optimizer.update(zeros, state, weights)
        return jax.tree.map(lambda w, update: (w + update).astype(w.dtype), weights, updates), state

    weights = structure.unflatten(start)
    for _ in range(num_steps):
        weights, state = step(weights, state)
    ends = zip(start, structure.flatten_up_to(weights), strict=True)
    return [Trial(is_finite=bool(jnp.all(jnp.isfinite(w))), is_lost=bool(jnp.all(w == first))) for first, w in ends]


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


def _widened(dtype: Any) -> Any:
    return dtypes.widened(dtype) if jnp.issubdtype(dtype, jnp.inexact) else dtype


def _units(leaves: Sequence[Any], seed: int) -> list[Array]:
    """Numbers of modulus 1 with random signs; zeros where a leaf holds no floats."""
    keys = jax.random.split(jax.random.key(seed), len(leaves))

    def of_leaf(key: Array, leaf: Any) -> Array:
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return jnp.zeros(leaf.shape, leaf.dtype)
        unit = 0.6 + 0.8j if jnp.issubdtype(leaf.dtype, jnp.complexfloating) else 1.0
        return jax.random.rademacher(key, leaf.shape, jnp.int8).astype(leaf.dtype) * jnp.asarray(unit, leaf.dtype)

    return [of_leaf(key, leaf) for key, leaf in zip(keys, leaves, strict=True)]


def _scaled(directions: Sequence[Array], sizes: Sequence[float]) -> list[Array]:
    return [(direction * size).astype(direction.dtype) for direction, size in zip(directions, sizes, strict=True)]
