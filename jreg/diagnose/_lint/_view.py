"""All that the rules look at: a program with its keys, its noise and its batch norms, each found once."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cached_property

import jax.numpy as jnp

from ._keys import Keys
from ._noise import Noise, Noises
from ._norms import PRODUCTS, WIDENINGS, BatchNorm, batch_norms
from ._program import Loop, Node, Program, Value, ancestors, op_of, peeled
from ._source import passes_through

EVALUATIONS = {"eval", "evaluate", "evaluation", "validate", "validation"}


class View:
    """A program, and what it means."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.keys = Keys(program)

    @cached_property
    def noises(self) -> list[Noise]:
        return self._noises.found

    @cached_property
    def drawn(self) -> Collection[Value]:
        """The values that are noise: made of draws and numbers alone."""
        _ = self._noises.found
        return self._noises.drawn

    @cached_property
    def _noises(self) -> Noises:
        return Noises(self.program, self.keys)

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
        """The weights: by convention the first argument that holds several arrays of floats."""
        groups: dict[str, set[Value]] = {}
        for value, name in zip(self.program.inputs, self.program.names, strict=True):
            if value.shape and jnp.issubdtype(value.dtype, jnp.floating):
                groups.setdefault(name[: name.find("]") + 1], set()).add(value)
        return next((values for values in groups.values() if len(values) > 1), set())

    def steps(self, loop: Loop) -> str:
        """What the steps of a loop are: "layer" if it scans over kernels, "training step" if it has gradients."""
        inside = [node for node in self.program.nodes if loop in node.place.frames]
        has_gradients = any("transpose(" in node.place.names for node in inside)
        if has_gradients and not all(node.place.is_backward for node in inside):
            return "training step"
        return "layer" if any(_multiplies_by_slice(node, loop) for node in inside) else "time step"


def _multiplies_by_slice(node: Node, loop: Loop) -> bool:
    """Whether a node multiplies what a loop carries by a matrix that it slices; over time it slices data instead."""
    if node.op not in PRODUCTS:
        return False
    for kernel, data in (node.inputs, node.inputs[::-1]):
        kernel = peeled(kernel, WIDENINGS)
        if op_of(kernel) == "element" and len(kernel.shape) >= 2 and _is_carried(data, loop):
            return True
    return False


def _is_carried(value: Value, loop: Loop) -> bool:
    return any(
        each.node is not None and each.node.op == "carry" and each.node.place.frames[-1:] == (loop,)
        for each in ancestors([value])
    )


def called(noise: Noise) -> str:
    """How a finding names what draws: by jreg's function, or by what the pattern is."""
    if noise.function:
        return f"`{noise.function}`"
    if function := passes_through(noise.node.place, "augment"):
        return f"`{function}`"
    kinds = {"drop": "Dropout", "choose": "A random choice", "replace": "A random mask"}
    return kinds.get(noise.kind, "Noise")
