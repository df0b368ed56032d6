"""Reading a table, and refusing a bad one in one line that names file, column and row."""

import csv
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

MOST_CLASSES = 20
TEST_SHARE = 0.4


class DataError(ValueError):
    """What is wrong with the user's file, in one line."""


class Dataset(NamedTuple):
    """Rows to learn from and rows to test on. Classes are one-hot, a regression target has one column."""

    name: str
    is_classification: bool
    is_standardized: bool
    """Whether the columns share a scale already; else each run scales them by its own training rows."""
    pool_x: np.ndarray
    pool_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def load(path: str | None, target: str | None) -> Dataset:
    """Load the user's table, or scikit-learn's digits when there is none."""
    if path is None:
        return digits()
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file")
    if path.endswith(".npz"):
        x, y = read_npz(path)
    elif path.endswith(".csv"):
        x, y = read_csv(path, target)
    else:
        raise DataError(f"{path}: must end in .csv or .npz")
    labels, is_classification = encode_target(path, y)
    return split_off_test(Path(path).name, is_classification, False, x, labels)


def digits() -> Dataset:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return split_off_test("digits (scikit-learn)", True, True, x / 16.0, np.eye(10)[y])


def split_off_test(name: str, is_classification: bool, is_standardized: bool, x: np.ndarray, y: np.ndarray) -> Dataset:
    """Set the same test rows aside for every run; runs draw training and validation rows from the others."""
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype(np.float32), y[order].astype(np.float32)
    num_test = int(len(x) * TEST_SHARE)
    return Dataset(name, is_classification, is_standardized, x[num_test:], y[num_test:], x[:num_test], y[:num_test])


def read_csv(path: str, target: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Numbers from every column but the target's, and the target as numbers or text."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), start=1) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no UTF-8 CSV file ({error})") from error
    if len(rows) < 2:
        raise DataError(f"{path}: must have a line of column names and rows below it; it has {len(rows)} lines")
    header, rows = rows[0][1], rows[1:]
    if target is None:
        raise DataError(f"{path}: name the column to predict with --target; the columns are {', '.join(header)}")
    if target not in header:
        raise DataError(f"{path}: no column {target!r}; the columns are {', '.join(header)}")
    if len(header) < 2:
        raise DataError(f"{path}: must have a column beside the target {target!r}")
    for number, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path}, row {number}: has {len(row)} values for {len(header)} columns")
    at = header.index(target)
    inputs = [i for i in range(len(header)) if i != at]
    x = np.array([[_number(path, header[i], number, row[i]) for i in inputs] for number, row in rows])
    return x, _target(path, target, [(number, row[at]) for number, row in rows])


def read_npz(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Arrays `x` (rows, ...) and `y` (rows,)."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = {"x", "y"} - set(arrays)
            if missing:
                raise DataError(f"{path}: no array {missing.pop()!r}; it must hold x and y")
            x, y = arrays["x"], arrays["y"]
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{path}: is no .npz file ({error})") from error
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path}: x and y must hold numbers ({error})") from error
    if x.ndim < 2 or y.shape != x.shape[:1] or x.size == 0:
        raise DataError(f"{path}: x must have shape (rows, columns) and y (rows,); got {x.shape} and {y.shape}")
    if x.dtype.kind not in "biuf":
        raise DataError(f"{path}: x must hold numbers; got {x.dtype}")
    x = x.reshape(len(x), -1).astype(np.float64)
    for column, values in (*((f"x[:, {i}]", x[:, i]) for i in range(x.shape[1])), ("y", y)):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values)))
            raise DataError(f"{path}, column {column}, row {row}: must be a finite number; got {values[row]}")
    return x, y


def encode_target(path: str, y: np.ndarray) -> tuple[np.ndarray, bool]:
    """One-hot classes for text and for few whole numbers; else one column of numbers."""
    values = np.unique(y)
    is_text = y.dtype.kind not in "biuf"
    if len(values) == 1:
        raise DataError(f"{path}: the target has one value only, {values[0].item()!r}; there is nothing to learn")
    if is_text and len(values) > len(y) // 2:
        raise DataError(f"{path}: the target is text with {len(values)} different values in {len(y)} rows: no classes")
    is_few = len(values) <= MOST_CLASSES and np.all(np.mod(values.astype(float), 1) == 0) if not is_text else True
    if is_few:
        return (y[:, None] == values[None, :]).astype(np.float32), True
    return y.astype(np.float64)[:, None], False


def _number(path: str, column: str, row: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{path}, column {column!r}, row {row}: must be a number; got {text!r}") from None
    if not np.isfinite(value):
        raise DataError(f"{path}, column {column!r}, row {row}: must be a finite number; got {text!r}")
    return value


def _target(path: str, column: str, cells: list[tuple[int, str]]) -> np.ndarray:
    """Numbers if the first cell is one, and then all must be; else text, and then none may be blank."""
    try:
        float(cells[0][1])
    except ValueError:
        for row, text in cells:
            if not text.strip():
                raise DataError(f"{path}, column {column!r}, row {row}: must not be blank") from None
        return np.array([text for _, text in cells])
    return np.array([_number(path, column, row, text) for row, text in cells])
