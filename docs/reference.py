"""A page for every public symbol: its docstring, what it costs, the laws that it obeys, and what others call it."""

import inspect
import re
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from textwrap import indent
from typing import Any

import jreg

from .docstrings import Docstring, Link, inline, parsed
from .records import Cost, costs, laws

ROOT = Path(__file__).parents[1]
PEERS = {
    "torch": "PyTorch", "torchvision": "torchvision", "torchaudio": "torchaudio", "timm": "timm", "keras": "Keras",
    "flax": "Flax", "optax": "optax", "equinox": "Equinox", "haiku": "Haiku", "dm_pix": "dm_pix", "augmax": "augmax",
    "jaxopt": "jaxopt", "sklearn": "scikit-learn", "lightning": "Lightning",
}  # fmt: skip
"""The libraries of peers.toml, as they are called in print."""


@cache
def symbols() -> dict[str, Any]:
    """Everything public, under its name after `jreg.`."""
    modules = {namespace: import_module(f"jreg.{namespace}") for namespace in jreg.NAMESPACES}
    return {f"{space}.{name}": getattr(module, name) for space, module in modules.items() for name in module.__all__}


def signatures() -> dict[str, str]:
    """By name after `jreg.`, the line of the table of the interface."""
    found, namespace = {}, ""
    for line in (ROOT / "tests" / "api.txt").read_text().splitlines():
        if line.startswith("# jreg."):
            namespace = line.removeprefix("# jreg.")
        elif line:
            found[f"{namespace}.{re.split(r'[(:]', line.removeprefix('class '))[0]}"] = line
    return found


def peers() -> dict[str, dict[str, str]]:
    """By name after `jreg.`, what each other library calls it, and under "differs" how the results differ."""
    table = tomllib.loads((ROOT / "docs" / "peers.toml").read_text())
    return {f"{space}.{name}": entry for space, entries in table.items() for name, entry in entries.items()}


def pages() -> dict[str, str]:
    """The text of every page of the reference, by its file name."""
    public, lines = symbols(), signatures()
    measured, obeyed, elsewhere = costs(public), laws(public), peers()
    docs = {name: parsed(text_of(name), linker(name, value, public)) for name, value in public.items()}
    found = {}
    for name, value in public.items():
        extras = measured.get(name, []), obeyed[name], elsewhere.get(name, {})
        found[f"{name}.rst"] = page(name, value, lines[name], docs[name], *extras)
    for namespace in jreg.NAMESPACES:
        mine = {name: doc for name, doc in docs.items() if name.startswith(f"{namespace}.")}
        found[f"{namespace}.rst"] = contents(namespace, mine)
    return found


def text_of(name: str) -> str:
    """The docstring of a public name; a value has none of its own, and its module speaks of it."""
    value = symbols()[name]
    return (inspect.getdoc(value) if callable(value) else sys.modules["jreg.random._prng"].__doc__) or ""


def linker(name: str, value: Any, public: Mapping[str, Any]) -> Link:
    """What code in the docstring of `name` refers to: a public symbol, but never itself nor one of its arguments."""
    namespace = name.split(".")[0]
    own = set(inspect.signature(value).parameters) if callable(value) else set()

    def link(code: str) -> str | None:
        plain = code.removeprefix("jreg.")
        for candidate in (plain, f"{namespace}.{plain}"):
            if candidate in public and candidate != name and plain not in own:
                return f"jreg.{candidate}"
        return None

    return link


def page(
    name: str, value: Any, line: str, doc: Docstring, cost: list[Cost], obeyed: list[str], names: dict[str, str]
) -> str:
    parts = [
        heading(name, "="),
        f".. py:currentmodule:: jreg.{name.split('.')[0]}",
        directive(line, "\n\n".join(filter(None, (inline(doc.summary), doc.body, members(value))))),
    ]
    if doc.example:
        parts += [heading("Example", "-"), f".. code-block:: pycon\n\n{indent(doc.example, '   ')}"]
    if doc.paper:
        parts += [heading("Paper", "-"), doc.paper]
    if cost:
        parts += [heading("Cost", "-"), COST_NOTE, table(("measured", "case", "fastest", "medians", "to"), cost)]
    if obeyed:
        parts += [heading("Laws", "-"), LAWS_NOTE, "\n".join(f"- {law}" for law in obeyed)]
    if names:
        rows = [(PEERS[peer], f"``{called}``") for peer, called in names.items() if peer != "differs"]
        parts += [heading("Elsewhere", "-"), table(("library", "name"), rows), inline(names.get("differs", ""))]
    return "\n\n".join(parts) + "\n"


COST_NOTE = "Time as a ratio to the last column, on the CPU of :doc:`the record <../evidence/speed>`; 1 is as fast."
LAWS_NOTE = "What the tests hold it to, beside tests of its own; ``make test-all`` runs every case:"


def heading(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}"


def directive(line: str, body: str) -> str:
    """The signature, as the table of the interface has it, over the text."""
    kind = "class" if line.startswith("class ") else "function" if "(" in line else "data"
    shown = line.removeprefix("class ") if kind != "data" else line.split(":")[0]
    return f".. py:{kind}:: {shown}\n\n{indent(body, '   ')}"


def members(value: Any) -> str:
    """The documented methods and properties of a class of ours."""
    if not isinstance(value, type):
        return ""
    found = []
    for name, member in vars(value).items():
        function = member.fget if isinstance(member, property) else member
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        kind = "property" if isinstance(member, property) else "method"
        arguments = (
            "" if kind == "property" else "(" + ", ".join(list(inspect.signature(function).parameters)[1:]) + ")"
        )
        text = parsed(inspect.getdoc(function) or "")
        found.append(f".. py:{kind}:: {name}{arguments}\n\n{indent(inline(text.summary), '   ')}")
    return "\n\n".join(found)


def contents(namespace: str, docs: Mapping[str, Docstring]) -> str:
    """The page of a namespace: what it is, and a line for each name."""
    module = import_module(f"jreg.{namespace}")

    def link(code: str) -> str | None:
        return f"jreg.{namespace}.{code}" if f"{namespace}.{code}" in docs else None

    about = parsed(inspect.getdoc(module) or "", link)
    rows = [(f":py:obj:`{name.split('.')[1]} <jreg.{name}>`", inline(doc.summary, link)) for name, doc in docs.items()]
    toc = ".. toctree::\n   :hidden:\n\n" + indent("\n".join(docs), "   ")
    return "\n\n".join(
        [
            heading(f"jreg.{namespace}", "="),
            f".. py:module:: jreg.{namespace}",
            inline(about.summary, link),
            about.body,
            table(("name", "what it does"), rows),
            toc,
        ]
    )


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"   {'*' if place == 0 else ' '} - {cell}" for row in (header, *rows) for place, cell in enumerate(row)]
    return ".. list-table::\n   :header-rows: 1\n   :widths: auto\n\n" + "\n".join(lines)
