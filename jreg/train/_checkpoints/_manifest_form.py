"""The form of a manifest: a crafted one, whole by its own digest, is believed no further than this."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

PYTHON = {"Python bool": bool, "Python int": int, "Python float": float}


def require_form(body: Any) -> None:
    """Check every part that reading relies on.

    Raises:
      ValueError: a part is missing or is not what a save writes; it is named.
    """
    for name, is_right in FORM.items():
        if name not in body or not is_right(body[name]):
            raise ValueError(name)
    if len({path for path, *_ in body["leaves"]}) < len(body["leaves"]):
        raise ValueError("leaves of one path")
    for number in range(body["history"]["parts"]):
        if f"history/{number:08d}" not in body["files"]:
            raise ValueError("history")


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_list_of(is_right: Callable[[Any], bool], value: Any) -> bool:
    return type(value) is list and all(map(is_right, value))


def _is_dict_of(is_right: Callable[[str, Any], bool], value: Any) -> bool:
    return type(value) is dict and all(is_right(name, inner) for name, inner in value.items())


def _is_file(name: str, digest: Any) -> bool:
    """Whether the name leads only into the folder."""
    path = PurePosixPath(name)
    is_inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
    return is_inside and str(path) == name and type(digest) is str


def _is_leaf(leaf: Any) -> bool:
    if type(leaf) is not list or len(leaf) != 4:
        return False
    path, kind, shape, value = leaf
    is_named = type(path) is str and type(kind) is str and _is_list_of(_is_count, shape)
    return is_named and type(value) is PYTHON.get(kind, type(None))


def _is_history(value: Any) -> bool:
    return type(value) is dict and value.keys() == {"rows", "parts"} and all(map(_is_count, value.values()))


FORM: dict[str, Callable[[Any], bool]] = {
    "format": _is_count,
    "step": _is_count,
    "metrics": lambda value: _is_dict_of(lambda _, inner: type(inner) is float, value),
    "notes": lambda value: True,
    "leaves": lambda value: _is_list_of(_is_leaf, value),
    "history": _is_history,
    "files": lambda value: _is_dict_of(_is_file, value),
}
