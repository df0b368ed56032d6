"""The public interface is the one that is written down: a change of it is a visible diff."""

import importlib
import inspect
import re

import pytest

import jreg

from . import api

DESCRIBED = [
    pytest.param(getattr(importlib.import_module(f"jreg.{namespace}"), name), id=f"{namespace}.{name}")
    for namespace in jreg.NAMESPACES
    for name in importlib.import_module(f"jreg.{namespace}").__all__
]


def test_the_interface_is_the_one_in_the_table():
    assert api.table() == api.TABLE.read_text(), "run `python -m tests.api`, and read what changed in tests/api.txt"


def test_signatures_are_short_enough_to_read():
    longest = max(api.table().splitlines(), key=len)
    assert "jaxtyping" not in api.table()
    assert len(longest) < 800, longest


@pytest.mark.parametrize("value", DESCRIBED)
def test_every_argument_is_described(value):
    """By name, in the docstring, outside of its example."""
    text = inspect.getdoc(value) or ""
    text = "\n".join(line for line in text.splitlines() if not re.match(r"\s*(>>>|\.\.\.)", line))
    if isinstance(value, type) and issubclass(value, tuple):
        names = list(getattr(value, "_fields", ()))
    else:
        names = (
            [name for name in inspect.signature(value).parameters if name not in api.LINEN_FIELDS]
            if callable(value)
            else []
        )
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []
