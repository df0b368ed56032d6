"""Which key is which: names for keys that hold the same words, and every draw, split and fold of one.

A key's name says how it was made: ("child", parent, 2) is the third of its parent's children, and also what
`fold_in(parent, 2)` gives, since JAX's default implementation makes the same words of both. Everything else that is not
a mere change of form gets a name of its own.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ._constants import is_key_like
from ._program import Loop, Node, Program, Value, ancestors
from ._walk import HASHED

FORMS = {"random_wrap", "random_unwrap", "copy", "name", "reshape", "squeeze", "stop_gradient", "optimization_barrier"}
FORMS |= {"convert_element_type", "final", "pvary", "sharding_constraint", "device_put"}
DRAWS = {"random_bits", "random_gamma", HASHED}
KEY_OPS = {"random_split", "random_fold_in"}


@dataclass(frozen=True, eq=False)
class Draw:
    """A node that consumes a key, and the name of the key."""

    node: Node
    key: Hashable


class Keys:
    """The keys of a program, named."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.names: dict[Value, Hashable] = {}

    def name(self, value: Value) -> Hashable:
        """A name that two values share if they surely hold the same words."""
        if value not in self.names:
            self.names[value] = self._named(value)
        return self.names[value]

    def _named(self, value: Value) -> Hashable:
        node = value.node
        if node is None:
            return value
        if node.op in FORMS:
            return self.name(node.inputs[node_input(node, value)])
        if node.op == "carry" and len(node.inputs) == 1:
            return self.name(node.inputs[0])
        if node.op == "random_split":
            return ("children", self.name(node.inputs[0]))
        if node.op == "random_fold_in":
            return ("child", self.name(node.inputs[0]), self._data(node.inputs[1]))
        if node.op == "element":
            return ("element", self.name(node.inputs[0]))
        if node.op == "random_seed":
            return ("seed", self._data(node.inputs[0]))
        if node.op in ("slice", "split") and (part := self._part(node, value)) is not None:
            return part
        return value

    def _part(self, node: Node, value: Value) -> Hashable:
        """The name of a single child, cut out of all children."""
        whole = self.name(node.inputs[0])
        if not (isinstance(whole, tuple) and whole[0] == "children") or value.shape[:1] != (1,):
            return None
        if node.op == "split":
            return ("child", whole[1], float(sum(node.params["sizes"][: value.place])))
        return ("child", whole[1], float(node.params["start_indices"][0]))

    def _data(self, value: Value) -> Hashable:
        return value if value.number is None else value.number

    @cached_property
    def draws(self) -> list[Draw]:
        """All live draws of the forward pass."""
        return [Draw(node, self.name(node.inputs[0])) for node in self.program.forward if node.op in DRAWS]

    def made_by(self, op: str) -> list[Draw]:
        """The live splits, or the live folds, of the forward pass."""
        return [Draw(node, self.name(node.inputs[0])) for node in self.program.forward if node.op == op]

    @cached_property
    def given(self) -> list[Value]:
        """The arguments that are keys: typed ones, and legacy ones that the program uses as keys."""
        inputs = self.program.inputs
        return [value for value in inputs if is_key_like(value) or _is_wrapped(value)]


def node_input(node: Node, value: Value) -> int:
    """Which input an output of a change of form comes from."""
    return value.place if node.op == "optimization_barrier" else 0


def roots(value: Value) -> list[Value]:
    """The arguments and constants that a key is made of, leaving out the data that were folded in."""
    found, queue, seen = [], [value], {value}
    for each in queue:
        inputs = [] if each.node is None else each.node.inputs
        if not inputs:
            found.append(each)
        elif each.node and each.node.op in ("random_fold_in", "slice", "dynamic_slice", "gather", "squeeze"):
            inputs = inputs[:1]
        queue += [other for other in inputs if other not in seen]
        seen.update(inputs)
    return found


def varies(value: Value, loop: Loop) -> bool:
    """Whether a value differs between the steps of a loop."""
    return any(
        each.node is not None
        and each.node.op in ("carry", "element")
        and len(each.node.inputs) + (each.node.op == "element") > 1
        and each.node.place.frames[-1:] == (loop,)
        for each in ancestors([value])
    )


def _is_wrapped(value: Value) -> bool:
    is_words = getattr(value.dtype, "name", "") == "uint32" and value.shape[-1:] in ((2,), (4,))
    return is_words and any(_leads_to_wrap(user) for user in value.users)


def _leads_to_wrap(node: Any) -> bool:
    if node.op in FORMS | {"slice", "gather", "dynamic_slice", "broadcast_in_dim"} and node.op != "random_wrap":
        return any(_leads_to_wrap(user) for output in node.outputs for user in output.users)
    return node.op == "random_wrap"
