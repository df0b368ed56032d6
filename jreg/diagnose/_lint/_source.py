"""The user's line behind a node, among the frames of the libraries that it passed through."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

PACKAGE = str(Path(__file__).parents[2])
STANDARD = sysconfig.get_paths()["stdlib"]


@lru_cache(maxsize=4096)
def is_library(file: str) -> bool:
    """Whether a file belongs to an installed package, to Python, or to jreg itself."""
    is_installed = "site-packages" in file or "dist-packages" in file
    return is_installed or file.startswith((PACKAGE, STANDARD, "<frozen"))


def frames(place: Any) -> Iterator[Any]:
    """The frames that led to a place, the innermost first."""
    for traceback in reversed(place.tracebacks):
        if traceback is not None:
            yield from traceback.frames


def user_line(place: Any) -> tuple[str, int]:
    """The file and the line of the user's code that is nearest to a place, or ("", 0)."""
    for frame in frames(place):
        if not is_library(frame.file_name):
            return frame.file_name, frame.line_num
    return "", 0


def is_of_library(place: Any) -> bool:
    """Whether what stands at a place was written by an optimizer's library, such as its line search."""
    return any("/optax/" in frame.file_name for frame in frames(place))


def passes_through(place: Any, part: str) -> str:
    """The outermost function of a part of jreg, such as "augment", that led to a place, or ""."""
    folder = f"{PACKAGE}/{part}/"
    inside = [frame.function_name for frame in frames(place) if frame.file_name.startswith(folder)]
    return inside[-1].split(".")[0] if inside else ""
