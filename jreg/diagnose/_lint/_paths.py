"""Paths of data through a program: elementwise operations, residual sums, norms."""

from __future__ import annotations

from collections.abc import Iterator

from ._constants import SAME
from ._norms import PRODUCTS
from ._program import Node, Value, descendants, op_of

BARRIERS = PRODUCTS | {"gather", "scatter", "scatter-add", "sort", "concatenate", "argmax", "cumsum", "dynamic_slice"}
BARRIERS |= {"reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or", "psum"}
ROOTS = {"rsqrt", "sqrt"}


def is_forward(value: Value) -> bool:
    return value.node is None or not value.node.place.is_backward


def is_local(value: Value) -> bool:
    """Whether a value is made element by element, or by a change of form or a pooling."""
    return op_of(value) not in BARRIERS and is_forward(value)


def local_descendants(value: Value) -> Iterator[Value]:
    """What is made of a value element by element, and the first results of other operations."""
    return descendants([value], lambda each: each is value or is_local(each))


def is_residual_sum(node: Node | None) -> bool:
    """Whether a node adds two arrays of data of one shape, not a bias."""
    if node is None or node.op not in ("add", "add_any", "sub"):
        return False
    first, second = node.inputs
    is_same = first.shape == second.shape and first.size > 1
    return is_same and not any(_is_broadcast(each) or each.number is not None for each in (first, second))


def _is_broadcast(value: Value) -> bool:
    node = value.node
    return node is not None and node.op in SAME and bool(node.inputs) and node.inputs[0].size < value.size


def is_normalized(value: Value) -> bool:
    """Whether a value is data times the inverse of a root, the result of a norm."""
    node = value.node
    if node is None or node.op not in ("mul", "div"):
        return False
    return any(_is_root(each) for each in node.inputs)


def _is_root(value: Value, depth: int = 0) -> bool:
    node = value.node
    if node is None or depth > 4:
        return False
    if node.op in ROOTS:
        return True
    return node.op in SAME | {"mul"} and any(_is_root(each, depth + 1) for each in node.inputs)


def is_skipped_over(value: Value) -> bool:
    """Whether a value, or what is made of it element by element, is added to other data."""
    return any(is_residual_sum(user) for each in local_descendants(value) for user in each.users)


def is_spatial(node: Node) -> bool:
    """Whether a node is a convolution with a kernel of more than one place."""
    if node.op != "conv_general_dilated":
        return False
    spec = node.params["dimension_numbers"].rhs_spec
    return any(node.inputs[1].shape[axis] > 1 for axis in spec[2:])
