"""Numbers that grow by a row per epoch, in parts: a full part is written once and linked into later checkpoints.

A part is a line of JSON (the names of its columns, the number of its rows) and the columns one after another, as
little-endian float64. All but the last have `ROWS` rows and never change, so that a save writes no more than the last.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from ._damage import DamagedError

NAME = "history"
ROWS = 16384


class History(Mapping[str, Sequence[float]]):
    """Named columns of one length, to which rows are added at the end."""

    def __init__(self) -> None:
        self.columns: dict[str, list[float]] = {}
        self.rows = 0
        self._digests: dict[int, str] = {}

    def __getitem__(self, name: str) -> Sequence[float]:
        return self.columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def append(self, row: Mapping[str, float]) -> None:
        """Add a row. A new name has NaN in the rows before, a missing one has NaN in this row."""
        for name in row:
            self.columns.setdefault(name, [nan] * self.rows)
        for name, values in self.columns.items():
            values.append(row.get(name, nan))
        self.rows += 1

    def encoded(self, number: int) -> bytes:
        """A part as it is written."""
        rows = slice(number * ROWS, min((number + 1) * ROWS, self.rows))
        names = sorted(self.columns)
        values = np.array([self.columns[name][rows] for name in names], "<f8")
        header = {"names": names, "rows": rows.stop - rows.start}
        return json.dumps(header).encode() + b"\n" + values.tobytes()

    def digest(self, number: int) -> str | None:
        """The digest of a full part, computed once; None for the last part, which still grows."""
        if (number + 1) * ROWS > self.rows:
            return None
        if number not in self._digests:
            self._digests[number] = hashlib.sha256(self.encoded(number)).hexdigest()
        return self._digests[number]


def as_history(given: Mapping[str, Sequence[float]] | None) -> History:
    """The columns of a history in its own form.

    Raises:
      TypeError, ValueError: names that are no text, columns without numbers, of several axes or of several lengths.
    """
    if isinstance(given, History):
        return given
    history, columns = History(), {} if given is None else dict(given)
    for name, values in columns.items():
        if type(name) is not str:
            raise TypeError(f"save: history must have columns with names; got {name!r}")
        array = np.asarray(values)
        if array.ndim != 1:
            raise ValueError(f"save: history must hold columns of one axis; {name!r} has shape {array.shape}")
        if array.size and array.dtype.kind not in "iuf":
            raise TypeError(f"save: history must hold columns of numbers; {name!r} has {array.dtype}")
        history.columns[name] = array.astype(float).tolist()
    lengths = {name: len(values) for name, values in history.columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"save: history must hold columns of one length; got {lengths}")
    history.rows = max(lengths.values(), default=0)
    return history


def write(folder: Path, history: History, before: Path | None, files: Mapping[str, str]) -> dict[str, str]:
    """Put the parts below `folder`, linked where the checkpoint before has them; return the digests of those linked."""
    linked = {}
    if history.rows:
        os.mkdir(folder / NAME)
    for number in range(num_parts(history.rows)):
        name, digest = part(number), history.digest(number)
        if before is not None and digest is not None and files.get(name) == digest and _link(before, folder, name):
            linked[name] = digest
        else:
            (folder / name).write_bytes(history.encoded(number))
    return linked


def read(folder: Path, rows: int, parts: int) -> dict[str, np.ndarray]:
    """The columns that were saved, each of `rows` numbers.

    Raises:
      DamagedError: the parts are not what a save writes.
    """
    decoded = [_decoded(folder / part(number)) for number in range(parts)]
    if sum(values.shape[1] for _, values in decoded) != rows:
        raise DamagedError(f"{folder / NAME} does not hold {rows} rows")
    columns: dict[str, np.ndarray] = {}
    begin = 0
    for names, values in decoded:
        end = begin + values.shape[1]
        for name, column in zip(names, values, strict=True):
            columns.setdefault(name, np.full(rows, nan))[begin:end] = column
        begin = end
    return columns


def restored(columns: Mapping[str, np.ndarray], rows: int) -> History:
    """A history that continues what was read."""
    history = History()
    history.columns = {name: values.tolist() for name, values in columns.items()}
    history.rows = rows
    return history


def part(number: int) -> str:
    return f"{NAME}/{number:08d}"


def num_parts(rows: int) -> int:
    return -(-rows // ROWS)


def _link(before: Path, folder: Path, name: str) -> bool:
    """False where the file system has no links, or where the part has gone."""
    try:
        os.link(before / name, folder / name)
    except OSError:
        return False
    return True


def _decoded(path: Path) -> tuple[list[str], np.ndarray]:
    try:
        header, _, values = path.read_bytes().partition(b"\n")
        parsed: Any = json.loads(header)
        names, rows = parsed["names"], parsed["rows"]
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names) or rows < 0:
            raise ValueError(header)
        return names, np.frombuffer(values, "<f8").reshape(len(names), rows)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(f"{path} cannot be read ({type(error).__name__})") from error
