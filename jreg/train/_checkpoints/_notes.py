"""Notes come back as they were given: what JSON would change or cannot hold is refused before any write."""

from __future__ import annotations

from typing import Any

from ..._core.checks import Checks

DEPTH = 100
BITS = 14000
"""Python reads no longer decimal numbers unless told to."""


def require_json(notes: Any) -> None:
    """Check every part of the notes.

    Raises:
      TypeError: a part that would come back as something else, named by its path.
      ValueError: nesting deeper than 100 levels, text with half characters, a number of thousands of digits.
    """
    _require(notes, ())


def require_short(check: Checks, argument: str, place: str, value: int) -> None:
    if value.bit_length() > BITS:
        raise ValueError(
            f"{check}: {argument} must hold numbers of at most {BITS} bits; at {place} it has a number of "
            f"{value.bit_length()} bits"
        )


def _require(value: Any, path: tuple[Any, ...]) -> None:
    if len(path) > DEPTH:
        raise ValueError(f"save: notes must be at most {DEPTH} levels deep; got more, at {_shown(path[:5])}/...")
    if type(value) is dict:
        for key, inner in value.items():
            _require_name(key, path)
            _require(inner, (*path, key))
    elif type(value) is list:
        for position, inner in enumerate(value):
            _require(inner, (*path, position))
    elif type(value) is str:
        if not _is_text(value):
            raise ValueError(f"save: notes must hold text of whole characters; at {_shown(path)} it has {value!r}")
    elif type(value) is int:
        require_short(Checks("save"), "notes", _shown(path), value)
    elif value is not None and type(value) not in (bool, float):
        raise TypeError(
            "save: notes must hold dicts, lists, text, Python numbers, True, False and None, which come back as they "
            f"were; at {_shown(path)} it has {value!r}"
        )


def _require_name(key: Any, path: tuple[Any, ...]) -> None:
    if type(key) is not str:
        raise TypeError(f"save: notes must have dicts whose keys are names; at {_shown(path)} it has the key {key!r}")
    if not _is_text(key):
        raise ValueError(f"save: notes must have names of whole characters; at {_shown(path)} it has the key {key!r}")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(path: tuple[Any, ...]) -> str:
    return "/".join(map(str, path)) or "the root"
