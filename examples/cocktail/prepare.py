"""A table made ready: its profile, the splits and folds of its rows, its columns scaled by the rows of each split."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..compare.data import UNEVEN, Arrays, encode_target, read_arrays, read_npz
from ..compare.tables import ENDINGS, DataError

NUM_SPLITS = NUM_FOLDS = 5
FEWEST_ROWS, MOST_BATCH = 60, 64
FAR = 5.0
"""Standard deviations at which scaled numbers are cut."""


class Table(NamedTuple):
    name: str
    x: np.ndarray
    """Numbers, NaN where one is missing; text columns are one-hot."""
    labels: np.ndarray
    classes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def is_uneven(self) -> bool:
        """Whether accuracy would flatter a method that always answers the largest class."""
        return np.bincount(self.labels).max() / len(self.labels) * len(self.classes) > UNEVEN

    @property
    def weights(self) -> np.ndarray:
        """What each row counts in a score: alike, or where classes are uneven, each class alike."""
        return 1.0 / np.bincount(self.labels)[self.labels] if self.is_uneven else np.ones(len(self.labels))


class Rows(NamedTuple):
    """Row numbers: the test rows of each split; the training and validation rows of each split and fold, as arrays."""

    test: list[np.ndarray]
    seen: np.ndarray
    unseen: np.ndarray


class Folds(NamedTuple):
    seen: np.ndarray
    unseen: np.ndarray


class Scale(NamedTuple):
    """By column: what fills the gaps, and what is then subtracted and divided by."""

    median: np.ndarray
    mean: np.ndarray
    spread: np.ndarray


def load(path: str, target: str | None, most_rows: int) -> Table:
    """The user's table, or what is wrong with it."""
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file")
    if path.endswith(".npz"):
        x, labels = read_npz(path)
        y, is_classification = encode_target(path, labels)
        arrays = Arrays(x, y, is_classification, tuple(np.unique(labels).astype(str)), ())
    elif path.endswith(ENDINGS):
        arrays = read_arrays(path, target)
    else:
        raise DataError(f"{path}: must end in .npz, {', '.join(ENDINGS)}")
    if not arrays.is_classification:
        raise DataError(f"{path}: the target {target or 'y'!r} holds numbers, and cocktails are for classes")
    if len(arrays.x) < FEWEST_ROWS:
        raise DataError(f"{path}: must have at least {FEWEST_ROWS} rows with a target; it has {len(arrays.x)}")
    return sampled(Path(path).name, arrays, most_rows)


def sampled(name: str, arrays: Arrays, most_rows: int) -> Table:
    """At most so many rows, drawn at random."""
    notes, labels = arrays.notes, arrays.y.argmax(1)
    rows = np.random.default_rng(0).permutation(len(labels))[:most_rows]
    if len(rows) < len(labels):
        notes = *notes, f"of {len(labels)} rows {most_rows} are used, drawn at random"
    is_there = np.bincount(labels[rows], minlength=len(arrays.classes)) > 0
    classes = tuple(np.array(arrays.classes)[is_there].tolist())
    labels = (np.cumsum(is_there) - 1)[labels[rows]]
    rare = [name for name, count in zip(classes, np.bincount(labels), strict=True) if count < 2 * NUM_SPLITS]
    if rare:
        notes = *notes, f"fewer than {2 * NUM_SPLITS} rows have the class {', '.join(rare)}"
    return Table(name, arrays.x[rows], labels, classes, notes)


def profile(table: Table) -> dict[str, Any]:
    counts = np.bincount(table.labels)
    return {
        "name": table.name,
        "rows": len(table.x),
        "inputs": table.x.shape[1],
        "missing": float(np.isnan(table.x).mean()),
        "classes": dict(zip(table.classes, counts.tolist(), strict=True)),
        "score": "balanced accuracy" if table.is_uneven else "accuracy",
        "floor": 1.0 / len(counts) if table.is_uneven else float(counts.max() / counts.sum()),
    }


def rows_of(labels: np.ndarray, seed: int) -> Rows:
    """Five test parts, and five folds of the rest of each; every part has its share of every class."""
    rng = np.random.default_rng([seed, 7])
    everything = np.arange(len(labels))
    tests = _dealt(labels, everything, rng)
    folds = [_folds(labels, np.setdiff1d(everything, test), rng) for test in tests]
    seen, unseen = (_evened([part for fold in folds for part in fold[at]]) for at in (0, 1))
    shape = NUM_SPLITS, NUM_FOLDS, -1
    return Rows(tests, seen.reshape(shape), unseen.reshape(shape))


def folds_of(labels: np.ndarray, seed: int) -> Folds:
    """Five folds of the whole table."""
    return Folds(*map(_evened, _folds(labels, np.arange(len(labels)), np.random.default_rng([seed, 8]))))


def _folds(labels: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The rows that each fold trains on, shuffled, and those that it validates on."""
    parts = _dealt(labels, rows, rng)
    return [rng.permutation(np.concatenate(parts[:at] + parts[at + 1 :])) for at in range(NUM_FOLDS)], parts


def scale_of(x: np.ndarray) -> Scale:
    has_some = ~np.isnan(x).all(0)
    median = np.zeros(x.shape[1])
    median[has_some] = np.nanmedian(x[:, has_some], axis=0)
    filled = np.where(np.isnan(x), median, x)
    spread = filled.std(0)
    return Scale(median, filled.mean(0), np.where(spread > 0.0, spread, 1.0))


def scaled(x: np.ndarray, scale: Scale) -> np.ndarray:
    filled = np.where(np.isnan(x), scale.median, x)
    return np.clip((filled - scale.mean) / scale.spread, -FAR, FAR).astype(np.float32)


def scaled_without(x: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Every row of the table, scaled by those that are no test rows."""
    return scaled(x, scale_of(np.delete(x, test, axis=0)))


def batch_size(seen: np.ndarray) -> int:
    return min(MOST_BATCH, seen.shape[-1] // 4)


def _dealt(labels: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows in random order, class by class, dealt like cards."""
    shuffled = rng.permutation(rows)
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    return [by_class[start::NUM_FOLDS] for start in range(NUM_FOLDS)]


def _evened(parts: list[np.ndarray]) -> np.ndarray:
    """Parts whose lengths differ by a row or two as one array; the longer ones lose their last rows."""
    length = min(map(len, parts))
    return np.stack([part[:length] for part in parts])
