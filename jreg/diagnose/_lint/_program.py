"""A traced program as one flat graph: values, and the nodes that make them from other values.

Calls are gone: the body of each `jit`, remat, custom derivative, branch and loop stands where it is called, with its
arguments in place of its parameters. What a loop carries is a node "carry" that reads its initial value and the value
of the step before, so a graph may have cycles; what a scan slices is a node "element", and what it stacks is "stacked".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(eq=False, slots=True)
class Value:
    """An array of the program; it has a node, or is known, or is one of the program's inputs."""

    shape: tuple[int, ...]
    dtype: Any
    node: Node | None = None
    place: int = 0
    """Which of the node's outputs, or which of the program's inputs."""
    known: Any = None
    """A literal or a constant of the trace."""
    number: float | None = None
    """The number that each of its elements is, where the program says so."""
    is_input: bool = False
    users: list[Node] = field(default_factory=list)

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False, slots=True)
class Loop:
    """A scan or a while loop: the nodes that differ from step to step start at its carries and its elements."""

    kind: str
    place: Place
    """Where the loop stands."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch of one cond."""

    cond: int
    index: int


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """Where a node stands: its callers' tracebacks from the outside in, its names, its loops and branches."""

    tracebacks: tuple[Any, ...] = ()
    names: str = ""
    frames: tuple[Loop | Branch, ...] = ()
    is_backward: bool = False
    """Whether it belongs to a gradient's backward pass, which repeats the draws of the forward pass."""

    @property
    def loops(self) -> tuple[Loop, ...]:
        return tuple(frame for frame in self.frames if isinstance(frame, Loop))

    @property
    def num_vmaps(self) -> int:
        return self.names.count("vmap(")


@dataclass(eq=False, slots=True)
class Node:
    """One operation, called by the name of JAX's primitive."""

    op: str
    params: dict[str, Any]
    inputs: list[Value]
    outputs: list[Value]
    place: Place

    @property
    def output(self) -> Value:
        return self.outputs[0]


@dataclass(eq=False)
class Program:
    """All nodes in order, the arguments by their paths, and the results."""

    nodes: list[Node]
    inputs: list[Value]
    names: list[str]
    """The paths of the inputs in the arguments, such as "[0]['kernel']"."""
    outputs: list[Value]
    fn_name: str

    @cached_property
    def live(self) -> set[Node]:
        """The nodes that some result depends on."""
        return {value.node for value in ancestors(self.outputs) if value.node}

    @cached_property
    def forward(self) -> list[Node]:
        """The nodes of forward passes that some result depends on, or some derivative: its value may be thrown away."""
        return [
            node
            for node in self.nodes
            if not node.place.is_backward and (node in self.live or "jvp(" in node.place.names)
        ]


def everything(value: Value) -> bool:
    return True


def ancestors(
    values: Iterable[Value], through: Callable[[Value], bool] = everything, *, limit: int = 10**9
) -> Iterator[Value]:
    """The values themselves and all that they are made of, nearest first, going on only where `through` says so."""
    return _reached(values, lambda value: value.node.inputs if value.node else (), through, limit)


def descendants(
    values: Iterable[Value], through: Callable[[Value], bool] = everything, *, limit: int = 10**9
) -> Iterator[Value]:
    """The values themselves and all that is made of them, nearest first, going on only where `through` says so."""
    made_of = lambda value: [output for user in value.users for output in user.outputs]  # noqa: E731
    return _reached(values, made_of, through, limit)


def _reached(
    values: Iterable[Value],
    next_to: Callable[[Value], Sequence[Value]],
    through: Callable[[Value], bool],
    limit: int,
) -> Iterator[Value]:
    queue = list(dict.fromkeys(values))
    seen = set(queue)
    for value in queue:
        yield value
        if len(queue) < limit and through(value):
            fresh = [other for other in next_to(value) if other not in seen]
            seen.update(fresh)
            queue.extend(dict.fromkeys(fresh))


def is_same(first: Value, second: Value, depth: int = 4) -> bool:
    """Whether two values are the same number, or made alike of the same values."""
    if first is second or (first.number is not None and first.number == second.number):
        return True
    a, b = first.node, second.node
    if depth == 0 or a is None or b is None or a.op != b.op or len(a.inputs) != len(b.inputs):
        return False
    return first.shape == second.shape and all(
        is_same(*pair, depth - 1) for pair in zip(a.inputs, b.inputs, strict=True)
    )


def op_of(value: Value) -> str:
    return value.node.op if value.node else ""


def peeled(value: Value, ops: frozenset[str]) -> Value:
    """Follow the first input back through nodes of these kinds."""
    while value.node and value.node.op in ops and value.node.inputs:
        value = value.node.inputs[0]
    return value
