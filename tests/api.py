"""`python -m tests.api` writes `tests/api.txt`: every public name of jreg, with its signature as a user reads it."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import jreg

TABLE = Path(__file__).with_name("api.txt")


def table() -> str:
    """The whole interface, one line for each name; a change of it is a change of this text."""
    names = [f"jreg.{namespace}" for namespace in jreg.NAMESPACES]
    return "\n".join(line for name in names for line in [f"# {name}", *_lines(importlib.import_module(name)), ""])


def _lines(namespace: Any) -> list[str]:
    return [_line(name, getattr(namespace, name)) for name in namespace.__all__]


def _line(name: str, value: Any) -> str:
    if isinstance(value, type) and issubclass(value, tuple):
        fields: Any = value.__annotations__
        return f"class {name}({', '.join(f'{field}: {_shown(kind)}' for field, kind in fields.items())})"
    if not callable(value):
        return f"{name}: {type(value).__name__}"
    signature = inspect.signature(value)
    if isinstance(value, type):
        return f"class {name}{_plain(str(signature.replace(return_annotation=signature.empty)))}"
    return f"{name}{_plain(str(signature))}"


def _plain(signature: str) -> str:
    """A signature whose annotations stand as they are written, and whose functions stand by their name."""
    signature = re.sub(r"<function (\w+) at 0x\w+>", r"\1", signature)
    signature = re.sub(r"<\S*?(\w+) object at 0x\w+>", r"\1", signature)
    return re.sub(r"(: |-> )'((?:[^'\\]|\\.)*)'", r"\1\2", signature)


def _shown(kind: Any) -> str:
    return kind if isinstance(kind, str) else inspect.formatannotation(kind)


if __name__ == "__main__":
    TABLE.write_text(table())
