"""Where noise meets data: the masks, factors and terms that a program draws, and what each is applied to.

Noise is what is made of draws, of numbers such as rates, and of nothing else. The first node that reads noise beside
data applies it. The kind of the application tells dropout, whichever library wrote it, from other uses of randomness:

    drop      data or zero by a random mask, or data times such a mask
    add       data plus noise
    scale     data times noise that is no mask
    replace   data or a number other than zero by a random mask
    choose    one of two arrays of data by a random mask
    other     sampling, shuffling, random indices
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ._constants import SAME, is_key_like, is_number
from ._keys import Draw, Keys
from ._marks import marked
from ._program import Node, Program, Value, descendants, op_of

Kind = Literal["drop", "add", "scale", "replace", "choose", "other"]
COMPARISONS = {"lt", "le", "gt", "ge"}
FORMAL = SAME | {"mul", "add", "sub", "div", "select_n", "transpose"}
FAR = 12
"""How many values behind the application the mark of a jreg function may be."""


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise applied to data `x`, which gives `y`."""

    node: Node
    kind: Kind
    x: Value
    y: Value
    noise: Value
    """What is applied."""
    draws: tuple[Draw, ...]
    mask_shape: tuple[int, ...]
    """The shape of the noise as it was drawn, before it was broadcast to x."""
    rate: float | None
    """The share dropped, where the factor of what is kept is written in the program."""
    function: str
    """The function of jreg that applied it, or ""."""

    @property
    def is_element_wise(self) -> bool:
        return self.kind == "drop" and math.prod(self.mask_shape) == self.x.size > 1


class Noises:
    """All applications of noise in the forward pass of a program."""

    def __init__(self, program: Program, keys: Keys) -> None:
        self.program, self.keys = program, keys
        self.drawn: dict[Value, frozenset[Draw]] = {}
        """Every value that is noise, with the draws that it is made of."""

    @cached_property
    def found(self) -> list[Noise]:
        draws = {draw.node: draw for draw in self.keys.draws}
        data: set[Value] = set()
        found = []
        for node in self.program.forward:
            if node in draws:
                self.drawn.update((output, frozenset({draws[node]})) for output in node.outputs)
                continue
            noisy = [value for value in node.inputs if value in self.drawn]
            plain = [value for value in node.inputs if value in data or _is_source_of_data(value)]
            is_mask = node.op in COMPARISONS
            if noisy and (is_mask or all(is_number(value) for value in plain)):
                made_of = frozenset().union(*(self.drawn[value] for value in noisy))
                self.drawn.update((output, made_of) for output in node.outputs)
                continue
            if noisy:
                found.append(self._applied(node, noisy, plain))
            if plain or node.op in ("carry", "element"):
                data.update(output for output in node.outputs if not is_key_like(output))
        return found

    def _applied(self, node: Node, noisy: list[Value], plain: list[Value]) -> Noise:
        kind, noise, x = self._kind(node, noisy, plain)
        drawn = _drawn_as(noise)
        y, function = _named(node.output)
        x, rate = _unscaled(x, node.output) if kind == "drop" else (x, None)
        if not function and rate is not None and not _is_threshold(drawn, rate):
            rate = None
        return Noise(node, kind, x, y, noise, tuple(self.drawn[noise]), drawn.shape, rate, function)

    def _kind(self, node: Node, noisy: list[Value], plain: list[Value]) -> tuple[Kind, Value, Value]:
        noise, x = noisy[0], max(plain, key=lambda value: value.size)
        if node.op == "select_n" and node.inputs[0] in self.drawn and len(node.inputs) == 3:
            noise, cases = node.inputs[0], node.inputs[1:]
            numbers = [case.number for case in cases if case not in plain]
            return ("choose" if not numbers else "drop" if numbers == [0.0] else "replace"), noise, x
        if node.op in ("mul", "div") and x.size >= noise.size:
            return ("drop" if op_of(_drawn_as(noise)) in COMPARISONS else "scale"), noise, x
        if node.op in ("add", "sub", "add_any"):
            return "add", noise, x
        return "other", noise, x


def _is_source_of_data(value: Value) -> bool:
    is_given = value.is_input or (value.known is not None and value.number is None)
    return is_given and value.size > 1 and not is_key_like(value)


def _drawn_as(noise: Value) -> Value:
    """The mask, or the noise, before it was broadcast and scaled."""
    value = noise
    while value.node and value.node.op in (SAME | {"mul", "div"}) - {"reduce_max", "reduce_min"}:
        value = max(value.node.inputs, key=lambda each: (each.number is None, each.size))
    return value


def _named(y: Value) -> tuple[Value, str]:
    """The marked result of a function of jreg that a value becomes by a few operations, and the function's name."""
    for value in descendants([y], lambda value: op_of(value) != "name" and op_of(value) in FORMAL, limit=FAR):
        if (name := marked(value.node)) and not name.endswith(".input"):
            return value, name
    return y, ""


def _unscaled(x: Value, y: Value) -> tuple[Value, float | None]:
    """What was dropped before it was divided by the share kept, before or after the mask, and the rate."""
    wide = [user.output for user in y.users if user.op == "convert_element_type"]
    after = [user.output for value in (y, *wide) for user in value.users if user.op in ("mul", "div")]
    for value in (x, *after):
        if (kept := _share_kept(value)) is not None:
            return (_scaled_input(x) if value is x else x), 1.0 - kept
    return x, None


def _share_kept(value: Value) -> float | None:
    node = value.node
    if node is None or node.op not in ("mul", "div") or len(node.inputs) != 2:
        return None
    numbers = [each.number for each in node.inputs]
    factor = numbers[1] if numbers[1] is not None else numbers[0] if node.op == "mul" else None
    if factor is None or factor <= 0.0:
        return None
    kept = factor if node.op == "div" else 1.0 / factor
    return kept if kept <= 1.0 else None


def _is_threshold(mask: Value, rate: float) -> bool:
    """Whether a mask drops or keeps with this probability, as far as its comparison tells."""
    numbers = [each.number for each in mask.node.inputs] if mask.node else []
    return any(each is not None and min(abs(each - rate), abs(each - 1.0 + rate)) < 1e-3 for each in numbers)


def _scaled_input(x: Value) -> Value:
    """What was scaled, without the zero that jreg subtracts so that a CPU loads early."""
    inputs = x.node.inputs if x.node else [x]
    value = next((each for each in inputs if each.number is None), x)
    while value.node and value.node.op in ("sub", "convert_element_type") and _is_plain(value.node):
        value = value.node.inputs[0]
    return value


def _is_plain(node: Node) -> bool:
    return node.op == "convert_element_type" or node.inputs[1].size == 1
