"""Checks of static arguments: sizes, axes, names of modes, states and functions."""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

MOST = sys.maxsize
"""The largest count, size or number of elements of an array."""
FARTHEST = int(sys.float_info.max)
"""The largest whole number that a float holds."""


@dataclass(frozen=True)
class StaticChecks:
    """The checks of one function's arguments that need no array."""

    name: str

    def __str__(self) -> str:
        return self.name

    def integer(self, argument: str, value: Any, low: int = 1, *, bits: int = 63) -> int:
        """Return a static whole number of at least `low` that fits into `bits` bits, as a count must."""
        if not _is_integer(value):
            raise TypeError(f"{self}: {argument} must be a Python int; got {shown(value)}")
        if value < low:
            raise ValueError(f"{self}: {argument} must be at least {low}; got {shown(value)}")
        if value >= 2**bits:
            raise ValueError(f"{self}: {argument} must be below 2**{bits}; got {shown(value)}")
        return int(value)

    def integers(self, argument: str, value: Any) -> tuple[int, ...]:
        """Return static whole numbers, given as one or as a sequence of them."""
        if _is_integer(value):
            return (int(value),)
        is_sequence = isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)
        is_foreign = hasattr(value, "dtype") and not isinstance(value, np.ndarray)
        if not is_sequence or is_foreign or getattr(value, "ndim", 1) == 0:
            raise TypeError(f"{self}: {argument} must be an int or a sequence of ints; got {shown(value)}")
        given = tuple(value)
        if not all(map(_is_integer, given)):
            raise TypeError(f"{self}: {argument} must hold ints; got {shown(value)}")
        return tuple(map(int, given))

    def shape(self, argument: str, value: Any) -> tuple[int, ...]:
        """Return the shape of a new array: static sizes, none negative, with fewer than 2**63 elements in all."""
        sizes = self.integers(argument, value)
        if any(size < 0 for size in sizes):
            raise ValueError(f"{self}: {argument} must hold sizes of at least 0; got {shown(value)}")
        if prod(sizes) > MOST or max(sizes, default=0) > MOST:
            raise ValueError(f"{self}: {argument} must hold fewer than 2**63 elements; got {shown(value)}")
        return sizes

    def axis(self, argument: str, value: int, ndim: int) -> int:
        """Return one axis as a non-negative number."""
        if not _is_integer(value):
            raise TypeError(f"{self}: {argument} must be an int; got {shown(value)}")
        return self.axes(argument, value, ndim)[0]

    def axes(self, argument: str, value: int | Sequence[int], ndim: int, place: str = "") -> tuple[int, ...]:
        """Return axes, each given once, as sorted non-negative numbers; `place` says whose they are, as " at head"."""
        given = self.integers(argument, value)
        if not all(-ndim <= axis < ndim for axis in given):
            raise ValueError(
                f"{self}: {argument} must name axes of a {ndim}-dimensional array; got {shown(value)}{place}"
            )
        normal = tuple(sorted(axis % ndim for axis in given))
        if len(set(normal)) < len(normal):
            raise ValueError(f"{self}: {argument} must name each axis once; got {shown(value)}{place}")
        return normal

    def flag(self, argument: str, value: Any) -> bool:
        """Return `value` if it is True or False and not traced."""
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"{self}: {argument} must be a bool; got {shown(value)}")
        return bool(value)

    def choice(self, argument: str, value: Any, options: Collection[str]) -> str:
        """Return a mode's name if it is one of `options`."""
        if not isinstance(value, str) or value not in options:
            listed = ", ".join(map(repr, options))
            raise ValueError(f"{self}: {argument} must be one of {listed}; got {shown(value)}")
        return value

    def instance(self, argument: str, value: Any, kind: type[T], source: str) -> T:
        """Return a state if it is of the given kind; `source` names the function that makes one."""
        if not isinstance(value, kind):
            raise TypeError(f"{self}: {argument} must be a {kind.__name__}, from {source}; got {shown(value)}")
        return value

    def called(self, argument: str, value: Any, form: str) -> Callable[..., Any]:
        """Return `value` if it is a function; `form` shows how it is called and what it returns."""
        if not callable(value):
            raise TypeError(f"{self}: {argument} must be a function {form}; got {shown(value)}")
        return value

    def mapping(self, argument: str, value: Any, content: str) -> Mapping[str, Any]:
        """Return `value` if it is a dict or another mapping; `content` says what it must hold."""
        if not isinstance(value, Mapping):
            raise TypeError(f"{self}: {argument} must be a dict of {content}; got {shown(value)}")
        return value

    def transformation(self, argument: str, value: T) -> T:
        """Return `value` if it is an optax optimizer, or anything with its two methods."""
        if not all(callable(getattr(value, method, None)) for method in ("init", "update")):
            hint = ". Call it first, as in optax.adam(1e-3)" if callable(value) else ""
            raise TypeError(f"{self}: {argument} must be an optax transformation; got {shown(value)}{hint}")
        return value


def shown(value: Any) -> str:
    """A bad value as a message shows it: in full, unless it is an int with more digits than anyone would read."""
    if isinstance(value, int) and abs(value) > FARTHEST:
        return f"an int of {value.bit_length()} bits"
    try:
        return repr(value)
    except ValueError:
        return f"a {type(value).__name__} with an int of more digits than Python prints"


def _is_integer(value: Any) -> bool:
    """Whether a value is one whole number; neither a bool nor a time is."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool | np.bool_ | np.timedelta64)
