"""Batch norm in its training mode, by its pattern: a mean over the batch, a variance, a root, whoever wrote it.

A root is that of a batch norm if it is taken of a sum of squares, less a mean, over the first axis of its data (or over
a named axis), such that an axis of features is left. Norms over features alone (layer, group and RMS norm) and norms of
weights are none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ._constants import SAME
from ._marks import marked
from ._program import Node, Program, Value, ancestors, descendants, is_same, op_of, peeled

STEPS = frozenset({*SAME, "add", "max", "div", "mul", "select_n", "sub", "pmean"} - {"reduce_max", "reduce_min"})
SQUARES = {"square", "integer_pow", "mul"}
SUMS = {"reduce_sum", "psum", "psum_invariant"}
WIDENINGS = frozenset({"convert_element_type", "name", "stop_gradient", "copy", "reshape", "transpose"})
MARK = "batch_norm.input"
PRODUCTS = {"dot_general", "conv_general_dilated"}


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """A batch norm of `x`, whose root is `node`."""

    node: Node
    x: Value
    means: tuple[Value, ...]
    """The sums that the statistics are made of."""
    num_values: int | None
    """How many values each statistic is taken over; None where a named axis hides it."""
    is_marked: bool
    """Whether it is jreg's."""


def batch_norms(program: Program) -> list[BatchNorm]:
    """All batch norms in the forward pass, in order: those with running statistics, as jreg's always have."""
    roots = [node for node in program.forward if node.op in ("rsqrt", "sqrt")]
    found = [norm for node in roots if (norm := _norm_of(node)) is not None]
    return [norm for norm in found if norm.is_marked or (not _is_of_weights(norm) and any(updates(norm)))]


def _norm_of(root: Node) -> BatchNorm | None:
    sums = [value.node for value in ancestors(root.inputs, _is_step, limit=60) if op_of(value) in SUMS]
    for total in sums:
        squared = total and _squared(total.inputs[0])
        if total is None or squared is None:
            continue
        x, mean = _centre(squared)
        mean = mean or _mean_beside(root, x)
        is_ours = mean is not None and any(marked(each.node) == MARK for each in ancestors([squared], limit=6))
        if mean is None or not (is_ours or _is_over_batch(total, x)):
            continue
        return BatchNorm(root, x, (mean, total.output), _num_values(total, x), is_ours)
    return None


def _is_step(value: Value) -> bool:
    return value.node is None or value.node.op in STEPS or (value.node.op in SUMS and not _axes(value.node))


def _squared(value: Value) -> Value | None:
    """What was squared, if the value is a square, a masked one too."""
    value = peeled(value, WIDENINGS)
    while value.node and (value.node.op in SUMS or value.node.op == "div"):  # The mean within, then across devices.
        value = peeled(value.node.inputs[0], WIDENINGS)
    node = value.node
    if node and node.op == "select_n":
        node = next((each.node for each in node.inputs[1:] if op_of(each) in SQUARES), None)
    if node is None or node.op not in SQUARES:
        return None
    if node.op == "mul" and not is_same(node.inputs[0], node.inputs[1]):
        return None
    if node.op == "integer_pow" and node.params.get("y") != 2:
        return None
    return peeled(node.inputs[0], WIDENINGS)


def _centre(squared: Value) -> tuple[Value, Value | None]:
    """The data and the mean that was subtracted from them before they were squared."""
    node = squared.node
    if node and node.op == "sub":
        x = peeled(node.inputs[0], WIDENINGS)
        for value in ancestors([node.inputs[1]], _is_step, limit=40):
            if op_of(value) in SUMS:
                return x, value
    return squared, None


def _mean_beside(root: Node, x: Value) -> Value | None:
    """The sum of x among what the root's variance is made of, as in E[x**2] - E[x]**2."""
    through = lambda value: _is_step(value) or op_of(value) in SQUARES  # noqa: E731
    for value in ancestors(root.inputs, through, limit=80):
        if op_of(value) in SUMS and value.node and _source(value) is x:
            return value
    return None


def _source(total: Value) -> Value:
    """What a sum is taken of."""
    value = total
    while value.node and (value.node.op in SUMS or value.node.op == "div"):
        value = peeled(value.node.inputs[0], WIDENINGS)
    return value


def _axes(total: Node) -> tuple[int, ...]:
    axes = total.params.get("axes", ())
    return tuple(axis for axis in axes if isinstance(axis, int))


def _is_over_batch(total: Node, x: Value) -> bool:
    """Whether a sum is over the first axis of data, among others, and leaves an axis of features."""
    axes, shape = _axes(total), total.inputs[0].shape
    is_named = any(isinstance(axis, str) for axis in total.params.get("axes", ()))
    if is_named:
        return total.output.size > 1
    left = [length for axis, length in enumerate(shape) if axis not in axes]
    return len(shape) > 1 and 0 in axes and math.prod(left) > 1 and x.size > 1


def _num_values(total: Node, x: Value) -> int | None:
    if any(isinstance(axis, str) for axis in total.params.get("axes", ())):
        return None
    above = descendants([total.output], lambda value: op_of(value) in STEPS or value is total.output, limit=10)
    if any(op_of(value) in ("psum", "psum_invariant", "pmean") and op_of(value) != total.op for value in above):
        return None
    return x.size // max(total.output.size, 1)


def _is_of_weights(norm: BatchNorm) -> bool:
    """Whether what is normalized is a kernel: an argument as it came, which then multiplies data."""
    if norm.x.node is not None:
        return False
    through = STEPS | {"rsqrt", "sqrt", "transpose"}
    return any(
        user.op in PRODUCTS and user.inputs[1] is value
        for value in descendants([norm.x], lambda value: value is norm.x or op_of(value) in through, limit=80)
        for user in value.users
    )


def updates(norm: BatchNorm) -> Iterator[Value]:
    """The new running statistics: a share of the batch's statistics and a share of an argument of their size."""
    size = norm.means[0].size
    through = lambda value: value in norm.means or (op_of(value) in STEPS and value.size == size)  # noqa: E731
    for value in descendants(norm.means, through, limit=200):
        if op_of(value) == "add" and value.size == size and value.node and any(map(_is_share, value.node.inputs)):
            yield value


def _is_share(value: Value) -> bool:
    """Whether a value is an argument or a constant of the program times a number."""
    node = value.node
    if node is None or node.op != "mul":
        return False
    return any(_is_stored(each) for each in node.inputs if each.size > 1)


def _is_stored(value: Value) -> bool:
    while value.node and value.node.op in STEPS | {"carry", "element"} and value.node.inputs:
        if value.node.op in ("add", "sub", "mul", "div"):
            return False
        value = value.node.inputs[0]
    return value.is_input or value.known is not None
