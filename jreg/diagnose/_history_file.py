"""Histories from a CSV file, of any framework; what is wrong with one is said in one line."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SEED, MOST_EPOCHS = "seed", 1_000_000


class FileError(ValueError):
    """What is wrong with the user's file, in one line."""


class FileHistory(NamedTuple):
    """The curves (seeds, steps) of a file, padded with NaN, and the epoch of the first row."""

    train: Float[np.ndarray, "seeds steps"]
    valid: Float[np.ndarray, "seeds steps"]
    first_epoch: int


def read_history(path: str, train: str, valid: str) -> FileHistory:
    """Read the columns `epoch`, `train` and `valid`, and `seed` if the file holds several runs.

    Blank cells are values that are missing. Rows of one epoch are one step: loggers write training and validation in
    rows of their own.

    Args:
      path: the file.
      train, valid: the names of the two columns.

    Raises:
      FileError: no such file, no text, a missing column, a cell that is no number, or no row.
    """
    header, rows = _cells(path)
    for name in ("epoch", train, valid):
        if name not in header:
            raise FileError(f"{path}: no column {name!r}; the columns are {', '.join(header)}")
    runs: dict[str, dict[int, list[float]]] = {}
    for number, row in rows:
        if len(row) != len(header):
            raise FileError(f"{path}, row {number}: has {len(row)} values for {len(header)} columns")
        cell = dict(zip(header, row, strict=True))
        epoch = _number(path, "epoch", number, cell["epoch"])
        if not epoch.is_integer():
            raise FileError(f"{path}, column 'epoch', row {number}: must be a whole number; got {cell['epoch']!r}")
        values = runs.setdefault(cell.get(SEED, ""), {}).setdefault(int(epoch), [np.nan, np.nan])
        for place, name in enumerate((train, valid)):
            if cell[name].strip():
                values[place] = _number(path, name, number, cell[name])
    return _padded(path, runs)


def _cells(path: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), start=1) if row]
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: is no UTF-8 CSV file ({error})") from error
    if len(rows) < 2:
        raise FileError(f"{path}: must have a line of column names and rows below it; it has {len(rows)} lines")
    return [name.strip() for name in rows[0][1]], rows[1:]


def _number(path: str, column: str, row: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise FileError(f"{path}, column {column!r}, row {row}: must be a number; got {text!r}") from None


def _padded(path: str, runs: dict[str, dict[int, list[float]]]) -> FileHistory:
    epochs = sorted({epoch for run in runs.values() for epoch in run})
    if epochs[-1] - epochs[0] >= MOST_EPOCHS:
        raise FileError(f"{path}, column 'epoch': must span fewer than {MOST_EPOCHS}; got {epochs[0]} to {epochs[-1]}")
    curves = np.full((2, len(runs), epochs[-1] - epochs[0] + 1), np.nan, np.float32)
    for place, run in enumerate(runs.values()):
        for epoch, values in run.items():
            curves[:, place, epoch - epochs[0]] = values
    return FileHistory(curves[0], curves[1], epochs[0])
