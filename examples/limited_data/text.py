"""The text: bytes, cut into pieces that no two documents share, and the documents split anew for every seed."""

import ast
import hashlib
import platform
import re
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LONGEST_SHARED = 60
"""No window of so many bytes occurs in two documents."""

LEFT_OUT = {"__pycache__", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test", "tests", "turtledemo"}
"""Folders that hold tests, other people's packages, or text that is elsewhere too."""

NUM_BLOCKS = 256
"""A file of one's own is cut into so many documents."""


class Text(NamedTuple):
    """The documents as bytes, by name; the bytes that occur, among which a token is a place; and what this text is."""

    documents: dict[str, bytes]
    alphabet: bytes
    source: dict[str, Any]


class Split(NamedTuple):
    """The tokens of one seed; no document is in two parts."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


@cache
def standard_library(num_modules: int | None = None) -> Text:
    """The docstrings of the standard library, module by module, or of its first modules."""
    root = Path(sysconfig.get_paths()["stdlib"])
    paths = [path for path in sorted(root.rglob("*.py")) if not LEFT_OUT & set(path.relative_to(root).parts[:-1])]
    modules = {path.relative_to(root).as_posix(): docstrings(path.read_bytes()) for path in paths[:num_modules]}
    return described(modules, {"text": "docstrings of the standard library", "python": platform.python_version()})


def docstrings(source: bytes) -> list[str]:
    """The docstrings of a module, its classes and its functions, in their order."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    found = [ast.get_docstring(node) for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0))]
    return [text for text in found if text]


def from_file(path: Path) -> Text:
    """A file, cut into blocks of about equal size, and these into paragraphs."""
    paragraphs = [text for text in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")) if text.strip()]
    blocks = np.array_split(np.arange(len(paragraphs)), min(NUM_BLOCKS, max(len(paragraphs), 1)))
    pieces = {f"block {number}": [paragraphs[i] for i in block] for number, block in enumerate(blocks)}
    return described(pieces, {"text": path.name})


def described(pieces: dict[str, list[str]], source: dict[str, Any]) -> Text:
    documents = without_repeats(pieces)
    whole = b"".join(documents.values())
    found = {"documents": len(documents), "bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    return Text(documents, bytes(sorted(set(whole))), source | found)


def without_repeats(pieces: dict[str, list[str]], longest: int = LONGEST_SHARED) -> dict[str, bytes]:
    """Join the pieces of each document but those that share a window of `longest` bytes with an earlier document.

    Every such window holds one of the windows of half the length that begin at a multiple of that length.
    """
    half, seen, documents = longest // 2, set(), {}
    for name, texts in pieces.items():
        encoded = [text.strip().encode() + b"\n\n" for text in texts]
        document = b"".join(piece for piece in encoded if seen.isdisjoint(windows(piece, half, 1)))
        # A window may begin in one piece and end in the next.
        if document and seen.isdisjoint(windows(document, half, 1)):
            documents[name] = document
            seen.update(windows(document, half, half))
    return documents


def windows(text: bytes, length: int, step: int) -> set[bytes]:
    return {text[i : i + length] for i in range(0, len(text) - length + 1, step)}


def split(text: Text, seed: int, num_train: int, num_valid: int, num_test: int) -> Split:
    """Documents in an order that the seed draws: first those to test on, then to validate on, the rest to train on."""
    names = np.random.default_rng(seed).permutation(list(text.documents))
    place = np.full(256, 255, np.uint8)
    place[list(text.alphabet)] = np.arange(len(text.alphabet))
    parts, rest = [], iter(names)
    for part, size in (("test", num_test), ("valid", num_valid), ("train", num_train)):
        taken = b""
        while len(taken) < size:
            name = next(rest, None)
            if name is None:
                raise ValueError(f"the text must hold {size} bytes to {part} on; {len(taken)} are left of it")
            taken += text.documents[name]
        parts.append(place[np.frombuffer(taken[:size], np.uint8)])
    return Split(*reversed(parts))


def rows_of(tokens: np.ndarray, context: int) -> np.ndarray:
    """Rows of `context` tokens and the one that follows them, side by side."""
    num_rows = (len(tokens) - 1) // context
    starts = np.arange(num_rows)[:, None] * context
    return tokens[starts + np.arange(context + 1)]
