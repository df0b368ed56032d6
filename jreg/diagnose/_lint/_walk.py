"""From a jaxpr to a flat `Program`: every call is replaced by the body that it calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ._constants import folded, uniform
from ._program import Branch, Loop, Node, Place, Program, Value

HASHED = "hashed_key"
"""The node that stands for jreg's preparation of a key, whose arithmetic says nothing."""
BODIES = ("jaxpr", "call_jaxpr", "fun_jaxpr", "call")
OPAQUE = {"reduce", "reduce_window", "pallas_call", "custom_linear_solve", "custom_root"}
"""What has a jaxpr among its parameters that is no body of a call."""


def program_of(closed: Any, names: Sequence[str], known: Sequence[Any], fn_name: str) -> Program:
    """Flatten a closed jaxpr whose inputs have these paths, and these values where they are scalars."""
    walk = _Walk()
    inputs = [Value(*_type_of(var), place=i, is_input=True) for i, var in enumerate(closed.jaxpr.invars)]
    for value, number in zip(inputs, known, strict=True):
        value.number = None if number is None else uniform(number)
    outputs = walk.call(closed, inputs, Place())
    return Program(walk.nodes, inputs, list(names), outputs, fn_name)


class _Walk:
    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.num_conds = 0
        self.constants: dict[int, Value] = {}
        self.rules: dict[str, Callable[[Any, list[Value], Place], list[Value]]] = {
            "scan": self.scan,
            "while": self.while_loop,
            "cond": self.cond,
        }

    def call(self, closed: Any, arguments: Sequence[Value], place: Place) -> list[Value]:
        jaxpr = getattr(closed, "jaxpr", closed)
        env = dict(zip(jaxpr.constvars, map(self.constant, getattr(closed, "consts", ())), strict=False))
        env.update(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> Value:
            if hasattr(atom, "val"):
                return Value(*_type_of(atom), known=atom.val, number=uniform(atom.val))
            return env[atom]

        for eqn in jaxpr.eqns:
            results = self.equation(eqn, list(map(read, eqn.invars)), _inside(place, eqn))
            env.update(zip(eqn.outvars, results, strict=True))
        return list(map(read, jaxpr.outvars))

    def constant(self, value: Any) -> Value:
        """One value for each constant: a key that two functions close over is the same key."""
        dtype = getattr(value, "dtype", None) or np.asarray(value).dtype
        fresh = Value(np.shape(value), dtype, known=value, number=uniform(value))
        return self.constants.setdefault(id(value), fresh)

    def equation(self, eqn: Any, arguments: list[Value], place: Place) -> list[Value]:
        name = eqn.primitive.name
        if name in self.rules:
            return self.rules[name](eqn, arguments, place)
        if eqn.params.get("name") == "_prepared" and len(arguments) == 1:
            return self.node(HASHED, {}, arguments, list(map(_type_of, eqn.outvars)), place)
        body = next((eqn.params[key] for key in BODIES if _is_jaxpr(eqn.params.get(key))), None)
        if body is None or name in OPAQUE or len(getattr(body, "jaxpr", body).invars) != len(arguments):
            return self.node(name, eqn.params, arguments, list(map(_type_of, eqn.outvars)), place)
        return self.call(body, arguments, place)

    def node(
        self, op: str, params: dict[str, Any], inputs: list[Value], types: Sequence[Any], place: Place
    ) -> list[Value]:
        node = Node(op, params, inputs, [], place)
        node.outputs = [Value(shape, dtype, node, i) for i, (shape, dtype) in enumerate(types)]
        node.outputs[:1] = [replace(value, number=folded(op, inputs)) for value in node.outputs[:1]]
        for value in dict.fromkeys(inputs):
            value.users.append(node)
        self.nodes.append(node)
        return node.outputs

    def scan(self, eqn: Any, arguments: list[Value], place: Place) -> list[Value]:
        body, num_consts, num_carry = (eqn.params[name] for name in ("jaxpr", "num_consts", "num_carry"))
        inner = _deeper(place, Loop("scan", place))
        consts, carry = arguments[:num_consts], arguments[num_consts : num_consts + num_carry]
        phis = self.carries(carry, body.jaxpr.invars[num_consts:], inner)
        slices = [
            self.node("element", {}, [x], [_type_of(var)], inner)[0]
            for x, var in zip(
                arguments[num_consts + num_carry :], body.jaxpr.invars[num_consts + num_carry :], strict=True
            )
        ]
        results = self.call(body, [*consts, *phis, *slices], inner)
        finals = self.close(phis, results[:num_carry], place)
        stacked = zip(results[num_carry:], eqn.outvars[num_carry:], strict=True)
        return finals + [self.node("stacked", {}, [y], [_type_of(var)], place)[0] for y, var in stacked]

    def while_loop(self, eqn: Any, arguments: list[Value], place: Place) -> list[Value]:
        num_tests, num_consts = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
        tests, consts = arguments[:num_tests], arguments[num_tests : num_tests + num_consts]
        body, inner = eqn.params["body_jaxpr"], _deeper(place, Loop("while", place))
        carry = arguments[num_tests + num_consts :]
        phis = self.carries(carry, body.jaxpr.invars[num_consts:], inner)
        test = self.call(eqn.params["cond_jaxpr"], [*tests, *phis], inner)
        return self.close(phis, self.call(body, [*consts, *phis], inner), place, test)

    def carries(self, initial: list[Value], variables: Any, place: Place) -> list[Value]:
        return [
            self.node("carry", {}, [value], [_type_of(var)], place)[0]
            for value, var in zip(initial, variables, strict=False)
        ]

    def close(self, phis: list[Value], results: list[Value], place: Place, test: Sequence[Value] = ()) -> list[Value]:
        """Let each carry read what the step gives, unless every step passes it on as it came."""
        finals = []
        for phi, result in zip(phis, results, strict=True):
            if phi.node and result is not phi:
                phi.node.inputs.append(result)
                result.users.append(phi.node)
            finals += self.node("final", {}, [result, *test], [(phi.shape, phi.dtype)], place)
        return finals

    def cond(self, eqn: Any, arguments: list[Value], place: Place) -> list[Value]:
        index, *operands = arguments
        self.num_conds += 1
        cond = self.num_conds
        branches = [
            self.call(body, operands, _deeper(place, Branch(cond, i))) for i, body in enumerate(eqn.params["branches"])
        ]
        rows = zip(zip(*branches, strict=True), eqn.outvars, strict=True)
        return [self.node("choose", {}, [index, *cases], [_type_of(var)], place)[0] for cases, var in rows]


def _is_jaxpr(param: Any) -> bool:
    return hasattr(getattr(param, "jaxpr", param), "eqns")


def _type_of(atom: Any) -> tuple[tuple[int, ...], Any]:
    aval: Any = atom.aval
    return tuple(getattr(aval, "shape", ())), getattr(aval, "dtype", None)


def _inside(place: Place, eqn: Any) -> Place:
    """The place of an equation that stands in a body called from `place`."""
    names = str(eqn.source_info.name_stack)
    is_again = eqn.primitive.name in ("checkpoint", "remat2", "remat") and eqn.params.get("differentiated", False)
    return Place(
        (*place.tracebacks, eqn.source_info.traceback),
        f"{place.names}/{names}",
        place.frames,
        place.is_backward or is_again or "transpose(" in names,
    )


def _deeper(place: Place, frame: Loop | Branch) -> Place:
    return Place(place.tracebacks, place.names, (*place.frames, frame), place.is_backward)
