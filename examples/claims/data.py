"""The tasks that claims are measured on: rows to learn from, rows to choose by, rows to test on.

Digits come with scikit-learn, the synthetic rows are those of an article (`examples.seed_table`), and Fashion-MNIST is
a folder of IDX files: Debian's package brings it (MIT licence),

    apt-get install dataset-fashion-mnist        # into /usr/share/dataset-fashion-mnist

or the folder that the environment variable FASHION_MNIST names. Nothing of it is stored here.
"""

import gzip
import os
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import seed_table
from ..compare import data as tables

FASHION_FOLDER = "/usr/share/dataset-fashion-mnist"


class Task(NamedTuple):
    """Rows (numbers, one-hot classes), the image's sides if they are images, and how a lane trains on them."""

    name: str
    pool: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    image: tuple[int, int] | None
    num_train: int
    num_valid: int
    batch_size: int
    epochs: int
    widths: tuple[int, ...] = (128, 128)
    needs_scaling: bool = False
    """Whether each run scales the columns by its own training rows."""


class MissingDataError(Exception):
    """Data that are not on this machine, and the command that brings them."""


@cache
def digits() -> Task:
    found = tables.digits()
    pool, test = (found.pool_x, found.pool_y), (found.test_x, found.test_y)
    return Task("digits", pool, test, (8, 8), num_train=200, num_valid=300, batch_size=32, epochs=100)


@cache
def digit_images() -> Task:
    """Digits for a convolutional network, which needs fewer rows."""
    return digits()._replace(name="digit images", num_train=100, batch_size=20, epochs=60)


@cache
def synthetic() -> Task:
    """The article's rule, ten of fifty columns decide among four classes, with new rows to choose by and to test on."""
    num_columns, *widths, num_classes = seed_table.WIDTHS
    generator = np.random.default_rng(0)
    weights = np.zeros((num_columns, num_classes), np.float32)
    weights[:10] = generator.standard_normal((10, num_classes), np.float32)
    x = generator.standard_normal((4000, num_columns), np.float32)
    y = np.eye(num_classes, dtype=np.float32)[(x @ weights).argmax(1)]
    pool, test = (x[:2000], y[:2000]), (x[2000:], y[2000:])
    num_train, size = seed_table.NUM_TRAINING, seed_table.BATCH_SIZE
    return Task("synthetic", pool, test, None, num_train, 600, size, seed_table.EPOCHS, tuple(widths))


@cache
def fashion() -> Task:
    """Fashion-MNIST at 14x14, each pixel the mean of four; 2000 rows of its test set."""
    pool, test = (_fashion_rows(part, most) for part, most in (("train", 10_000), ("t10k", 2000)))
    return Task("fashion", pool, test, (14, 14), num_train=200, num_valid=500, batch_size=25, epochs=50)


def _fashion_rows(part: str, most: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = (_read_idx(f"{part}-{kind}") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"))
    small = images[:most].reshape(-1, 14, 2, 14, 2).mean((2, 4)) / 255.0
    return small.reshape(-1, 196).astype(np.float32), np.eye(10, dtype=np.float32)[labels[:most]]


def _read_idx(name: str) -> np.ndarray:
    """An IDX file, packed or not: two zeros, the type of bytes, the number of axes, the length of each, the bytes."""
    folder = Path(os.environ.get("FASHION_MNIST", FASHION_FOLDER))
    found = sorted(folder.rglob(f"{name}*")) if folder.is_dir() else []
    if not found:
        raise MissingDataError(
            f"{folder}: has no {name}. Fashion-MNIST comes with `apt-get install dataset-fashion-mnist`; or name its "
            "folder of IDX files in the environment variable FASHION_MNIST"
        )
    raw = found[0].read_bytes()
    raw = gzip.decompress(raw) if found[0].suffix == ".gz" else raw
    _, kind, num_axes = struct.unpack(">HBB", raw[:4])
    shape = struct.unpack(f">{num_axes}I", raw[4 : 4 + 4 * num_axes])
    if kind != 8:
        raise MissingDataError(f"{found[0]}: must hold bytes; it has type {kind}")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * num_axes).reshape(shape)


TASKS: dict[str, Callable[[], Task]] = {
    "digits": digits,
    "digit images": digit_images,
    "synthetic": synthetic,
    "fashion": fashion,
}
