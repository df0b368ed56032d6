"""The names that jreg's functions leave on what they read and on what they return."""

from __future__ import annotations

from ._program import Node

START = "jreg."
KEPT = "jreg.kept"
"""The mark of a number that the backward pass keeps, which names no function."""


def marked(node: Node | None) -> str:
    """What a mark says, such as "dropout" for a result and "dropout.input" for an argument, or ""."""
    name = str(node.params.get("name", "")) if node and node.op == "name" else ""
    return name.removeprefix(START) if name.startswith(START) and name != KEPT else ""
