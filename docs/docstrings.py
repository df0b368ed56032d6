"""Docstrings as reStructuredText: prose, formulas, arguments, an example that runs, and the paper after it.

The style of the library is plain text: single backticks for code, an indented block for a formula, and sections such as
`Args:` whose entries are indented by two. What stands in backticks and names something public becomes a link to it.
"""

import re
from collections.abc import Callable, Iterator
from textwrap import dedent, indent
from typing import NamedTuple

SECTIONS = {"Args": "Arguments", "Attributes": "Fields", "Returns": "Returns", "Raises": "Raises"}
Link = Callable[[str], str | None]


class Docstring(NamedTuple):
    """The parts of a docstring, each in reStructuredText but the summary, which is plain."""

    summary: str
    body: str
    example: str
    paper: str


def parsed(text: str, link: Link = lambda name: None) -> Docstring:
    """The parts of `text`, as `inspect.getdoc` gives it; `link(code)` is what `code` names, if that is public."""
    summary, *blocks = [block for block in re.split(r"\n\s*\n", text) if block.strip()]
    doctests = [place for place, block in enumerate(blocks) if block.startswith(">>> ")]
    last = doctests[-1] if doctests else len(blocks)
    body = "\n\n".join(_block(block, link) for block in blocks[:last] if not block.startswith(">>> "))
    example = "\n\n".join(blocks[place] for place in doctests)
    paper = "\n\n".join(inline(" ".join(block.split()), link) for block in blocks[last + 1 :])
    return Docstring(" ".join(summary.split()), body, example, paper)


def inline(text: str, link: Link = lambda name: None) -> str:
    """A line of prose: code in backticks, all else as it stands."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(_code(part[1:-1], link) if part.startswith("`") else _escaped(part) for part in parts)


def _code(code: str, link: Link) -> str:
    target = link(code)
    return f"\\ :py:obj:`{code} <{target}>`\\ " if target else f"\\ ``{code}``\\ "


def _escaped(text: str) -> str:
    text = re.sub(r"([\\*|])", r"\\\1", text)
    return re.sub(r"_(?=\W|$)", r"\\_", text)


def _block(block: str, link: Link) -> str:
    """A paragraph, a formula, a list or a section; a section may go on in further blocks, which are indented."""
    heading, _, rest = block.partition("\n")
    if heading.rstrip(":") in SECTIONS and heading.endswith(":"):
        title = SECTIONS[heading.rstrip(":")]
        entries = _prose(dedent(rest), link) if title == "Returns" else _definitions(dedent(rest), link)
        return f".. rubric:: {title}\n\n{entries}"
    if heading.endswith(":") and rest.lstrip().startswith("- "):
        return f"{inline(heading, link)}\n\n{_list(dedent(rest), link)}"
    if block.startswith("- "):
        return _list(block, link)
    if block.startswith(" "):
        return f".. code-block:: text\n   :class: formula\n\n{indent(dedent(block), '   ')}"
    return _prose(block, link)


def _prose(text: str, link: Link) -> str:
    return inline(" ".join(text.split()), link)


def _entries(text: str) -> Iterator[str]:
    """The entries of a section: each starts at the margin."""
    return (entry for entry in re.split(r"\n(?=\S)", text) if entry.strip())


def _definitions(text: str, link: Link) -> str:
    found = []
    for entry in _entries(text):
        names, _, meaning = entry.partition(": ")
        shown = ", ".join(f"``{name.strip()}``" for name in names.split(","))
        found.append(f"{shown}\n{indent(_prose(meaning, link), '   ')}")
    return "\n\n".join(found)


def _list(text: str, link: Link) -> str:
    return "\n".join(f"- {_prose(entry.removeprefix('- '), link)}" for entry in _entries(text))
