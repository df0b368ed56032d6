"""Mistakes in an optimizer: what it decays, as an audit shows, and the parts that it is chained of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, NamedTuple

import jax
import optax

from ..._core import leaves, trees
from ..._core.types import Tree
from .._optimizer import audit_optimizer
from ._findings import MESSAGES, Finding

DECAYS = {"proportional", "constant", "mixed", "preconditioned"}
L2 = ("add_decayed_weights.", "add_l2.", "with_decoupled_decay.<locals>.shrink")
"""Decays towards zero in proportion to the weights; beside L1 one of them makes an elastic net."""
PROXIMAL = ("step_by.", "prox_")
SCALES = ("scale.", "scale_by_")
MOST_PATHS = 4


class Part(NamedTuple):
    """A transformation inside a chain: its function, and the mask and the strength that it closes over."""

    name: str
    mask: Any
    strength: Any


def lint_optimizer(optimizer: Any, params: Tree) -> tuple[Finding, ...]:
    """Find mistakes in what an optimizer decays, and in the order of its parts.

    The codes, each with the audit or the structure that shows it:

        decay-mask-inverted          biases or scales of norms are decayed, and no kernel is
        decay-of-norms-and-biases    both are, as by `optax.adamw` without a mask
        decay-twice                  two L2 decays of the same weights, such as one of your own before `optax.adamw`,
                                     which has one of 1e-4 by default
        prox-before-learning-rate    a proximal step whose result is scaled afterwards: it leaves no exact zeros

    An optimizer that decays nothing gives no finding. What is decayed comes from `audit_optimizer`; the parts are read
    from the closures of optax's and jreg's transformations, and those of other libraries are passed over.

    Args:
      optimizer: an optax transformation.
      params: the weights, or their `jax.ShapeDtypeStruct`s. Leaves named bias or scale, and others that
        `optim.kernels` does not take, count as no kernels.

    Raises:
      TypeError, ValueError: as `audit_optimizer` does.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import diagnose, optim
    >>> params = {"kernel": jnp.ones((4, 3)), "bias": jnp.zeros(3)}
    >>> [finding.code for finding in diagnose.lint_optimizer(optax.adamw(1e-3), params)]
    ['decay-of-norms-and-biases']
    >>> diagnose.lint_optimizer(optax.adamw(1e-3, mask=optim.kernels), params)
    ()
    """
    found = [*_masks(optimizer, params)]
    for parts in chains(optimizer):
        found += [*_twice(parts, params), *_scaled_prox(parts)]
    return tuple(dict.fromkeys(found))


def chains(optimizer: Any) -> Iterator[list[Part]]:
    """The parts of an optimizer in their order; one list for each set of leaves that has transformations of its own."""
    parallel: list[Any] = []
    yield list(_parts(optimizer, None, parallel))
    for other in parallel:
        yield from chains(other)


def _masks(optimizer: Any, params: Tree) -> Iterator[Finding]:
    decayed = {leaf.path for leaf in audit_optimizer(optimizer, params).leaves if leaf.kind in DECAYS}
    listed = jax.tree_util.tree_leaves_with_path(params)
    is_kernel = jax.tree.leaves(leaves.kernels(params))
    paths = [trees.path_name(path) or "params" for path, _ in listed]
    others = [path for path, kernel in zip(paths, is_kernel, strict=True) if path in decayed and not kernel]
    kernels = [path for path, kernel in zip(paths, is_kernel, strict=True) if path in decayed and kernel]
    if others:
        names = ", ".join(others[:MOST_PATHS]) + (" and more" if len(others) > MOST_PATHS else "")
        yield _finding("decay-of-norms-and-biases" if kernels else "decay-mask-inverted", what=names)


def _twice(parts: Sequence[Part], params: Tree) -> Iterator[Finding]:
    decays = [part for part in parts if part.name.startswith(L2) and not _is_zero(part.strength)]
    for first, second in combinations(decays, 2):
        chosen = zip(_chosen(first, params), _chosen(second, params), strict=True)
        if any(one and other for one, other in chosen):
            yield _finding("decay-twice", what=f"`{_public(first)}` and `{_public(second)}`")


def _scaled_prox(parts: Sequence[Part]) -> Iterator[Finding]:
    for i, part in enumerate(parts):
        if part.name.startswith(PROXIMAL) and any(other.name.startswith(SCALES) for other in parts[i + 1 :]):
            yield _finding("prox-before-learning-rate")


def _parts(value: Any, mask: Any, parallel: list[Any], strength: Any = None) -> Iterator[Part]:
    """The functions that an update closes over, the inner ones first, as they are applied."""
    if isinstance(value, partial):
        value = value.func
    if isinstance(value, optax.GradientTransformation | optax.GradientTransformationExtraArgs):
        value = value.update
    if isinstance(value, optax.MultiSteps):
        value = value.inner_opt.update
    if isinstance(value, tuple | list):
        for each in value:
            yield from _parts(each, mask, parallel)
        return
    code = getattr(value, "__code__", None)
    if code is None:
        return
    cells = dict(zip(code.co_freevars, map(_content, value.__closure__ or ()), strict=True))
    if isinstance(transforms := cells.get("transforms"), Mapping):
        parallel.extend(transforms.values())
        return
    mask = cells.get("mask", mask)
    strength = cells.get("weight_decay", cells.get("strengths", strength))
    for name, content in cells.items():
        if name != "mask":
            yield from _parts(content, mask, parallel, strength)
    yield Part(value.__qualname__, mask, strength)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # Not yet filled.
        return None


def _is_zero(strength: Any) -> bool:
    return isinstance(strength, int | float) and strength == 0


def _chosen(part: Part, params: Tree) -> list[bool]:
    """Which leaves a part takes."""
    mask: Any = part.mask
    tree = mask(params) if isinstance(mask, Callable) else mask
    if tree is None:
        return [True] * len(jax.tree.leaves(params))
    full = jax.tree.map(lambda leaf, below: jax.tree.map(lambda _: leaf, below), tree, params)
    return [bool(leaf) for leaf in jax.tree.leaves(full)]


def _public(part: Part) -> str:
    return part.name.split(".")[0]


def _finding(code: str, **details: str) -> Finding:
    message, fix = (text.format(**details) for text in MESSAGES[code])
    return Finding(code, message, "", 0, fix)
