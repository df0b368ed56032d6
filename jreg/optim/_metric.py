"""The metric of an optimizer: how far it moves each weight per unit of a constant gradient.

Adam moves a weight by learning_rate / (sqrt(nu_hat) + eps) per unit, plain SGD by learning_rate, and SGD with a
momentum m by learning_rate / (1 - m) in the end. A penalty whose proximal step is scaled alike has the fixed points of
the penalty itself, whatever the optimizer.

Neither betas nor epsilons are in an optax state, so the step is asked instead of written again. What a state remembers
is of two kinds: moments that follow the gradient (`mu`, `trace`), in which the step is linear, and moments that scale
it (`nu`, sums of squares). The metric is the derivative of the step along a gradient of 1, taken at a zero gradient
from a state whose scales decay to those of the step that was just made. It passes through all else in the chain, such
as schedules; what is only added, such as a decay, has no part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from .._core import dtypes
from .._core.checks import Checks
from .._core.types import Tree

Moments = list[Tree]


class Roles(NamedTuple):
    """The fields of a state that follow the gradient, that scale the step and decay, and that only ever grow."""

    follow: tuple[str, ...] = ()
    scale: tuple[str, ...] = ()
    grow: tuple[str, ...] = ()


ADAM, RMS, CENTRED = Roles(("mu",), ("nu",)), Roles(scale=("nu",)), Roles(scale=("mu", "nu"))
SIGN = "ScaleByLionState"
ROLES = {
    "ScaleByAdamState": ADAM,
    "ScaleByAmsgradState": Roles(("mu",), ("nu",), ("nu_max",)),
    "ScaleByBeliefState": ADAM,
    SIGN: Roles(("mu",)),
    "ScaleByRmsState": RMS,
    "ScaleByRmsWithCountState": RMS,
    "ScaleByRssState": Roles(scale=("sum_of_squares",)),
    "ScaleByRStdDevState": CENTRED,
    "ScaleByRStdDevWithCountState": CENTRED,
    "TraceState": Roles(("trace",)),
}
"""The states of optax that are known, by name, as some are not exported."""
AROUND = ("AverageState", "Float32CopyState", "MultiStepsState", "StochasticRoundingState")
"""States of wrappers that belong around the proximal step."""
TINY = 1e-36
"""The least scale, as a square root has no derivative at zero, and the least moment to divide by."""


def refuse_unknown(check: Checks, state: Any, params: Tree, taken: Tree) -> None:
    """Raise if a leaf that is taken has a moment of a kind that is not known."""
    structure = jax.tree.structure(params, is_leaf=_is_hidden)
    choices = jax.tree.structure(params).flatten_up_to(taken)
    for unknown in _unknown(state):
        fields = [_flat(field) for field in (unknown if _is_state(unknown) else [unknown])]
        alike = [leaves for leaves, form in fields if form == structure and len(leaves) == len(choices)]
        free = [
            _is_hidden(leaf) or choice is False
            for leaves in alike
            for leaf, choice in zip(leaves, choices, strict=True)
        ]
        if free and all(free):
            continue
        name = type(unknown).__name__
        hint = f"; put {check} inside that wrapper" if name in AROUND else ""
        raise ValueError(
            f"{check}: inner must scale each weight's step by itself, in a way that its state shows, as adam, rmsprop, "
            f"adagrad, lion and sgd do; got one with {name}{hint}"
        )


def metric(
    update: Callable[..., Any], before: Any, after: Any, updates: Tree, params: Tree, count: Array, **extra: Any
) -> Tree:
    """Return the length of each weight's step per unit of a gradient that was constant from the first step on.

    `before` and `after` are the states around the step that was just made, and `count` is the number of those before
    it. All is computed in float32 or wider.
    """
    zeros, params = jax.tree.map(jnp.zeros_like, _widened(updates)), _widened(params)
    follow, scale, grow = (_moments(before, role) for role in Roles._fields)

    def step(gradients: Tree, follow: Moments, scale: Moments, grow: Moments) -> tuple[Tree, Moments, Moments]:
        stepped, state = update(gradients, _replaced(before, (follow, scale, grow)), params, **extra)
        return stepped, _moments(state, "follow"), _moments(state, "scale")

    at_rest = jax.tree.map(jnp.zeros_like, follow), jax.tree.map(jnp.ones_like, scale)
    _, (_, forgets, fades) = jax.jvp(lambda follow, scale: step(zeros, follow, scale, grow), at_rest, _ones(at_rest))
    reaching = jax.tree.map(_reaching, _moments(after, "scale"), fades), _moments(after, "grow")
    slopes, tangents = zeros, jax.tree.map(jnp.zeros_like, follow)
    # One moment may follow another: each round reaches one further, and the last one the step.
    for _ in range(len(follow) + 1):
        given = (zeros, at_rest[0]), (_ones(zeros), tangents)
        _, (slopes, reached, _) = jax.jvp(lambda gradients, follow: step(gradients, follow, *reaching), *given)
        tangents = jax.tree.map(lambda new, old, decay: _summed(new, old, decay, count), reached, tangents, forgets)
    lengths = jax.tree.map(lambda slope: jnp.abs(slope) if _is_float(slope) else jnp.zeros(slope.shape), slopes)
    if not (signed := _signed(after)):
        return lengths
    up, down = (step(_filled(zeros, to), _filled(follow, to), *reaching)[0] for to in (1.0, -1.0))
    return _of_signs(jax.tree.map(lambda a, b: jnp.abs(a - b) / 2, up, down), lengths, signed)


def _of_signs(lengths: Tree, slopes: Tree, signed: Moments) -> Tree:
    """Where a step is only a sign, sign(m) = m / |m|: its length over the size of its moment."""
    leaves, structure = jax.tree.flatten(slopes, is_leaf=_is_hidden)
    for moment in signed:
        found = jax.tree.leaves(lengths, is_leaf=_is_hidden), jax.tree.leaves(moment, is_leaf=_is_hidden)
        leaves = [
            slope if _is_hidden(size) else length / jnp.maximum(jnp.abs(size), TINY)
            for slope, length, size in zip(leaves, *found, strict=True)
        ]
    return jax.tree.unflatten(structure, leaves)


def _reaching(scale: Array, decay: Array) -> Array:
    """The scale that decays to the given one."""
    scale = scale / jnp.where(decay == 0.0, 1.0, decay)
    return jnp.where(jnp.abs(scale) < TINY, TINY, scale)


def _summed(new: Array, old: Array, decay: Array, count: Array) -> Array:
    """What a moment that decays by `decay` has summed in `count` steps, of which each adds what the last one added."""
    decay = jnp.max(decay, keepdims=True, initial=0.0)  # All are equal, which XLA sees.
    steps = count.astype(decay.dtype)
    total = jnp.where(decay == 1.0, steps, (1.0 - decay**steps) / jnp.where(decay == 1.0, 1.0, 1.0 - decay))
    return (new - decay * old) * total


def _moments(state: Any, role: str) -> Moments:
    """The fields of one role in all known states, in float32 or wider."""
    fields = [getattr(node, field) for node in _known(state) for field in getattr(ROLES[type(node).__name__], role)]
    return _widened(fields)


def _replaced(state: Any, moments: tuple[Moments, ...]) -> Any:
    """The state with other moments, by their roles."""
    queues = {role: iter(trees) for role, trees in zip(Roles._fields, moments, strict=True)}

    def replace(node: Any) -> Any:
        if not _is_known(node):
            return node
        roles = ROLES[type(node).__name__]
        return node._replace(**{name: next(queues[role]) for role in Roles._fields for name in getattr(roles, role)})

    return jax.tree.map(replace, state, is_leaf=_is_known)


def _known(state: Any) -> list[Any]:
    return [node for node in jax.tree.leaves(state, is_leaf=_is_known) if _is_known(node)]


def _signed(state: Any) -> Moments:
    return _widened([node.mu for node in _known(state) if type(node).__name__ == SIGN])


def _is_known(node: Any) -> bool:
    return _is_state(node) and type(node).__name__ in ROLES


def _unknown(node: Any) -> Iterator[Any]:
    """The states that are not known and hold arrays of their own."""
    if _is_known(node):
        return
    for field in node if _is_state(node) else [node]:
        parts = jax.tree.leaves(field, is_leaf=lambda part: _is_state(part) or _is_hidden(part))
        for state in filter(_is_state, parts):
            yield from _unknown(state)
        if any(np.ndim(part) and _is_float(part) for part in parts if not hasattr(part, "_fields")):
            yield node
            return


def _flat(tree: Tree) -> tuple[list[Any], Any]:
    return jax.tree.flatten(tree, is_leaf=_is_hidden)


def _is_state(node: Any) -> bool:
    return hasattr(node, "_fields") and not _is_hidden(node)


def _is_hidden(node: Any) -> bool:
    return isinstance(node, optax.MaskedNode)


def _is_float(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def _widened(tree: Tree) -> Tree:
    def widen(leaf: Any) -> Array:
        leaf = jnp.asarray(leaf)
        return leaf.astype(dtypes.widened(leaf.dtype)) if _is_float(leaf) else leaf

    return jax.tree.map(widen, tree)


def _filled(tree: Tree, value: float) -> Tree:
    return jax.tree.map(lambda leaf: jnp.full_like(leaf, value), tree)


def _ones(tree: Tree) -> Tree:
    """Tangents of 1; integers have none."""
    return jax.tree.map(
        lambda leaf: jnp.ones_like(leaf) if _is_float(leaf) else np.zeros(leaf.shape, jax.dtypes.float0), tree
    )
