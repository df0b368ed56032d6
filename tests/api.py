"""`python -m tests.api` writes `tests/api.txt`: every public name of jreg, with its signature as a user reads it."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import jreg

LINEN_FIELDS = {"parent", "name"}
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
        return f"class {name}{_plain(str(_bare(signature)))}"
    return f"{name}{_plain(str(signature))}"


def _bare(signature: inspect.Signature) -> inspect.Signature:
    """The constructor of a layer, without flax's annotations and the fields that linen adds to every module."""
    own = [each for each in signature.parameters.values() if each.name not in LINEN_FIELDS]
    return inspect.Signature([each.replace(annotation=each.empty) for each in own])


def _plain(signature: str) -> str:
    """A signature whose annotations stand as they are written, and whose functions stand by their name."""
    signature = re.sub(r"<function [\w.<>]*?(\w+) at 0x\w+>", r"\1", signature)
    signature = re.sub(r"<\S*?(\w+) object at 0x\w+>", r"\1", signature)
    signature = re.sub(r"<class '[\w.]*?(\w+)'>", r"\1", signature)
    return re.sub(r"""(: |-> )('|")(.*?)\2""", r"\1\3", signature)


def _shown(kind: Any) -> str:
    """A field's type; a named tuple wraps what stands in the source in a forward reference."""
    return getattr(kind, "__forward_arg__", kind) if not isinstance(kind, type) else kind.__name__


if __name__ == "__main__":
    TABLE.write_text(table())
