"""All that the rules look at: a program with its keys, its noise and its batch norms, each found once."""

from __future__ import annotations

import re
from functools import cached_property

from ._keys import Keys
from ._noise import Noise, Noises
from ._norms import PRODUCTS, BatchNorm, batch_norms
from ._program import Loop, Program, Value, op_of
from ._source import passes_through

EVALUATIONS = {"eval", "evaluate", "evaluation", "validate", "validation"}


class View:
    """A program, and what it means."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.keys = Keys(program)

    @cached_property
    def noises(self) -> list[Noise]:
        return Noises(self.program, self.keys).found

    @cached_property
    def batch_norms(self) -> list[BatchNorm]:
        return batch_norms(self.program)

    @cached_property
    def noise_of(self) -> dict[object, list[Noise]]:
        """What each draw is applied to."""
        found: dict[object, list[Noise]] = {}
        for noise in self.noises:
            for draw in noise.draws:
                found.setdefault(draw.node, []).append(noise)
        return found

    @cached_property
    def is_evaluation(self) -> bool:
        return bool(EVALUATIONS & set(re.split(r"[^a-z]+", self.program.fn_name.lower())))

    @cached_property
    def params(self) -> set[Value]:
        """The arrays of the first argument, if it is a tree of several: by convention the weights."""
        pairs = list(zip(self.program.inputs, self.program.names, strict=True))
        first = [value for value, name in pairs if name.startswith("[0]") and value.shape]
        return set(first) if len(first) > 1 else set()

    def steps(self, loop: Loop) -> str:
        """What the steps of a loop are: "layer" if it scans over kernels, "training step" if it has gradients."""
        inside = [node for node in self.program.nodes if loop in node.place.frames]
        if any("transpose(" in node.place.names for node in inside) and not self._is_differentiated(loop):
            return "training step"
        is_layer = any(
            op_of(value) == "element" and value.node is not None and loop in value.node.place.frames
            for node in inside
            if node.op in PRODUCTS
            for value in node.inputs[1 - (node.inputs[0].shape == node.inputs[1].shape) :]
            if len(value.shape) >= 2 and self._is_kernel(value)
        )
        return "layer" if is_layer else "time step"

    def _is_differentiated(self, loop: Loop) -> bool:
        """Whether the whole loop belongs to a backward pass."""
        return all(node.place.is_backward for node in self.program.nodes if loop in node.place.frames)

    def _is_kernel(self, value: Value) -> bool:
        source = value.node.inputs[0] if value.node else value
        return not self.params or source in self.params or source.node is not None


def called(noise: Noise) -> str:
    """How a finding names what draws: by jreg's function, or by what the pattern is."""
    if noise.function:
        return f"`{noise.function}`"
    if function := passes_through(noise.node.place, "augment"):
        return f"`{function}`"
    kinds = {"drop": "Dropout", "choose": "A random choice", "replace": "A random mask"}
    return kinds.get(noise.kind, "Noise")
