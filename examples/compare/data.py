"""A table as arrays: numbers as they are, text one-hot, gaps filled and marked; and the rows that are set aside."""

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .tables import ENDINGS, SHOWN, DataError, read, refuse

MOST_CLASSES, MOST_CATEGORIES = 20, 30
TEST_SHARE, FEWEST_ROWS = 0.4, 20
BATCH_SIZE, MOST_TRAINING_ROWS, MOST_VALIDATION_ROWS = 32, 200, 300
MOST_POOL_ROWS, MOST_TEST_ROWS = 20_000, 10_000
UNEVEN = 1.5
"""Classes are uneven when the largest has this many times its equal share."""
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}
DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")


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
    notes: tuple[str, ...] = ()
    """What was assumed of the file, a sentence each."""

    @property
    def majority(self) -> float:
        """The share of the largest class in the test rows."""
        return float(self.test_y.mean(0).max())

    @property
    def is_uneven(self) -> bool:
        """Whether accuracy would flatter a network that always answers the largest class."""
        return self.is_classification and float(self.pool_y.mean(0).max()) * self.pool_y.shape[1] > UNEVEN


class Arrays(NamedTuple):
    """A table as numbers, NaN where one is missing; the names of its classes, in the order of the columns of y."""

    x: np.ndarray
    y: np.ndarray
    is_classification: bool
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def load(path: str | None, target: str | None) -> Dataset:
    """Load the user's table, or scikit-learn's digits when there is none."""
    if path is None:
        return digits()
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file")
    if path.endswith(".npz"):
        x, y = read_npz(path)
        y, is_classification = encode_target(path, y)
        return split_off_test(Path(path).name, is_classification, False, x, y)
    if not path.endswith(ENDINGS):
        raise DataError(f"{path}: must end in .npz, {', '.join(ENDINGS)}")
    return read_table(path, target)


def digits() -> Dataset:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return split_off_test("digits (scikit-learn)", True, True, x / 16.0, np.eye(10)[y])


def split_off_test(
    name: str, is_classification: bool, is_standardized: bool, x: np.ndarray, y: np.ndarray, notes: tuple[str, ...] = ()
) -> Dataset:
    """Set the same test rows aside for every run; runs draw training and validation rows from the others.

    Numbers that are missing, NaN, become the median of the other rows.
    """
    order = np.random.default_rng(0).permutation(len(x))
    num_test = int(len(x) * TEST_SHARE)
    test, pool = order[:num_test][:MOST_TEST_ROWS], order[num_test:][:MOST_POOL_ROWS]
    if len(test) + len(pool) < len(x):
        notes = *notes, f"of {len(x)} rows {len(pool)} are there to learn from and {len(test)} to test on"
    gaps = np.isnan(x)
    if gaps.any():
        x = np.where(gaps, np.nan_to_num(np.nanmedian(x[pool], axis=0)), x)
    x, y = x.astype(np.float32), y.astype(np.float32)
    return Dataset(name, is_classification, is_standardized, x[pool], y[pool], x[test], y[test], notes)


def split_sizes(data: Dataset, most_training_rows: int) -> tuple[int, int]:
    """Training and validation rows of each run: 2 to 1 from the pool, up to a limit, so that the study stays quick."""
    num_train = min(most_training_rows, len(data.pool_x) * 2 // 3)
    if num_train < BATCH_SIZE:
        num_rows = len(data.pool_x) + len(data.test_x)
        raise DataError(
            f"{data.name}: has {num_rows} rows, of which {num_train} would be for training: fewer than a batch "
            f"of {BATCH_SIZE}"
        )
    return num_train, min(MOST_VALIDATION_ROWS, len(data.pool_x) - num_train)


def read_table(path: str, target: str | None) -> Dataset:
    arrays = read_arrays(path, target)
    return split_off_test(Path(path).name, arrays.is_classification, False, arrays.x, arrays.y, arrays.notes)


def read_arrays(path: str, target: str | None) -> Arrays:
    """The columns of a file as numbers; all that is wrong with it in one message."""
    cells, numbers, notes = read(path)
    listed = ", ".join(cells)
    if target is None:
        raise DataError(f"{path}: name the column to predict with --target; the columns are {listed}")
    if target not in cells:
        raise DataError(f"{path}: no column {target!r}; the columns are {listed}")
    if len(cells) < 2:
        raise DataError(f"{path}: must have a column beside the target {target!r}")
    kept = [place for place, cell in enumerate(cells[target]) if cell.lower() not in MISSING]
    if len(kept) < len(numbers):
        notes.append(f"{len(numbers) - len(kept)} rows without a {target!r} are left out")
    if len(kept) < FEWEST_ROWS:
        raise DataError(f"{path}: must have at least {FEWEST_ROWS} rows with a {target!r}; it has {len(kept)}")
    problems: list[str] = []
    columns: list[np.ndarray] = []
    for name, column in cells.items():
        values = [column[place] for place in kept]
        if name != target:
            columns += _encoded(name, values, [numbers[place] for place in kept], notes, problems)
    values = [cells[target][place] for place in kept]
    outcome = _as_numbers(values)
    if np.isinf(outcome).any():
        problems.append(
            f", column {target!r}: must hold finite numbers; {values[int(np.argmax(np.isinf(outcome)))]!r} is none"
        )
    y, is_classification = outcome, False
    try:
        y, is_classification = encode_target(path, np.array(values) if np.isnan(outcome).any() else outcome)
    except DataError as error:
        problems.append(str(error).removeprefix(path))
    if not columns and not problems:
        problems.append(": no column is left to predict from")
    refuse(path, problems)
    classes = tuple(np.unique(values if np.isnan(outcome).any() else outcome).astype(str)) if is_classification else ()
    return Arrays(np.stack(columns, 1), y, is_classification, classes, tuple(notes))


def _encoded(name: str, values: list[str], rows: list[int], notes: list[str], problems: list[str]) -> list[np.ndarray]:
    """A column as numbers: itself and where it has gaps, or one column per category."""
    is_missing = np.array([value.lower() in MISSING for value in values])
    numbers = _as_numbers(values)
    is_text = np.isnan(numbers) & ~is_missing
    if np.isinf(numbers).any():
        at = int(np.argmax(np.isinf(numbers)))
        problems.append(f", column {name!r}, row {rows[at]}: must be a finite number; got {values[at]!r}")
        return []
    if is_text.any() and is_text.sum() <= 0.1 * (~is_missing).sum():
        wrong = np.flatnonzero(is_text)[:SHOWN]
        shown = ", ".join(f"{values[at]!r} in row {rows[at]}" for at in wrong)
        more = f" and {is_text.sum() - len(wrong)} more" if is_text.sum() > len(wrong) else ""
        problems.append(f", column {name!r}: must hold numbers, or text; it holds numbers, and {shown}{more}")
        return []
    if is_missing.all():
        notes.append(f"{name!r} is empty and left out")
        return []
    if is_text.any():
        return _categories(name, values, is_missing, notes)
    if not is_missing.any():
        return [numbers]
    notes.append(f"{name!r} lacks {is_missing.sum()} numbers: their place has the median, and a column tells where")
    return [numbers, is_missing.astype(float)]


def _categories(name: str, values: list[str], is_missing: np.ndarray, notes: list[str]) -> list[np.ndarray]:
    names, counts = np.unique(np.array(values)[~is_missing], return_counts=True)
    if len(names) > MOST_CATEGORIES and len(names) > len(values) / 4:
        notes.append(f"{name!r} is text with {len(names)} different values and left out")
        return []
    names = names[np.argsort(-counts, kind="stable")][:MOST_CATEGORIES]
    rare = f", the {MOST_CATEGORIES} most frequent" if len(counts) > MOST_CATEGORIES else ""
    notes.append(f"{name!r} is text: a column for each of {len(names)} values{rare}")
    columns = [(np.array(values) == category).astype(float) for category in names]
    return [*columns, is_missing.astype(float)] if is_missing.any() else columns


def _as_numbers(values: list[str]) -> np.ndarray:
    """Numbers, with a decimal comma where the whole column has one; NaN for gaps and text."""
    has_commas = any("," in value for value in values)
    if has_commas and all(DECIMAL_COMMA.fullmatch(value) for value in values if value.lower() not in MISSING):
        values = [value.replace(",", ".") for value in values]
    return np.array([_number(value) for value in values])


def _number(value: str) -> float:
    try:
        return float(value) if value.lower() not in MISSING else np.nan
    except ValueError:
        return np.nan


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
    problems = []
    for column, values in (*((f"x[:, {i}]", x[:, i]) for i in range(x.shape[1])), ("y", y)):
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values)))
            problems.append(f", column {column}, row {row}: must be a finite number; got {values[row]}")
    more = [f": so have {len(problems) - SHOWN} columns more"] if len(problems) > SHOWN else []
    refuse(path, problems[:SHOWN] + more)
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
