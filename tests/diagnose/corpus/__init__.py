"""Programs with and without mistakes of regularization, one per file, and what `diagnose.lint` says of each.

    python -m tests.diagnose.corpus    # precision and recall, and the wrong programs of each rule

`README.md` describes the files.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from jreg import diagnose

FOLDER = Path(__file__).parent


def names(kind: str) -> list[str]:
    """The programs in a folder, "right" or "wrong"."""
    return sorted(path.stem for path in (FOLDER / kind).glob("[a-z]*.py"))


def module(kind: str, name: str) -> Any:
    return importlib.import_module(f"tests.diagnose.corpus.{kind}.{name}")


def findings(kind: str, name: str) -> tuple[diagnose.Finding, ...]:
    """What lint says of a program. Libraries other than jreg need JAX's default promotion."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        source = module(kind, name)
        checked = getattr(source, "optimizer", None)
        return diagnose.lint_optimizer(*checked()) if checked else diagnose.lint(*source.program())


def expected(name: str) -> str:
    return module("wrong", name).CODE


def rows() -> Iterator[tuple[str, str, str, tuple[diagnose.Finding, ...]]]:
    """Each program: its folder, its name, the code that is expected, and what is found."""
    for kind in ("right", "wrong"):
        for name in names(kind):
            yield kind, name, expected(name) if kind == "wrong" else "", findings(kind, name)
