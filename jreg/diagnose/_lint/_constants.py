"""The numbers that a program is written with: scalars, and arrays of one number, computed from literals alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._core.checks import is_traced
from ._program import Value

SAME = {"broadcast_in_dim", "reshape", "squeeze", "convert_element_type", "stop_gradient", "name", "copy"}
SAME |= {"reduce_precision", "optimization_barrier", "pvary", "expand_dims", "reduce_max", "reduce_min"}
BINARY: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b if b else math.nan,
    "max": max,
    "min": min,
    "lt": lambda a, b: float(a < b),
    "le": lambda a, b: float(a <= b),
    "gt": lambda a, b: float(a > b),
    "ge": lambda a, b: float(a >= b),
    "eq": lambda a, b: float(a == b),
    "ne": lambda a, b: float(a != b),
    "and": lambda a, b: float(bool(a) and bool(b)),
    "or": lambda a, b: float(bool(a) or bool(b)),
    "pow": lambda a, b: math.nan if a < 0 else a**b,
}
UNARY: dict[str, Callable[[float], float]] = {
    "neg": lambda a: -a,
    "sign": lambda a: math.copysign(1.0, a) if a else 0.0,
    "sqrt": lambda a: math.sqrt(a) if a >= 0 else math.nan,
    "rsqrt": lambda a: a**-0.5 if a > 0 else math.nan,
    "abs": abs,
}


def folded(op: str, inputs: Sequence[Value]) -> float | None:
    """The number that every element of a node's result is, if the numbers of its inputs tell."""
    numbers = [value.number for value in inputs]
    if op == "mul" and 0.0 in numbers:
        return 0.0
    if op == "select_n" and numbers[0] is not None:
        return numbers[1 + int(numbers[0])]
    known = [each for each in numbers if each is not None]
    if op in SAME and numbers:
        return numbers[0]
    if (op not in BINARY and op not in UNARY) or len(known) < len(numbers):
        return None
    try:
        return BINARY[op](*known) if op in BINARY else UNARY[op](*known)
    except OverflowError:
        return None


def is_number(value: Value) -> bool:
    """Whether a value is one number, known or not, such as a rate: a scalar, or a scalar that was broadcast."""
    while value.node and value.node.op in SAME and value.size != 1:
        value = value.node.inputs[0]
    return value.size == 1 or value.number is not None


def is_key_like(value: Value) -> bool:
    """Whether a value is a typed key or an array of them."""
    return value.dtype is not None and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def uniform(known: Any) -> float | None:
    """The one number that an array holds, or None."""
    if is_traced(known):
        return None
    try:
        array = np.asarray(known)
    except (TypeError, ValueError):
        return None
    if array.dtype.kind not in "fiub" or not array.size or array.size > 4096:
        return None
    first = array.ravel()[0]
    return float(first) if bool(np.all(array == first)) else None
