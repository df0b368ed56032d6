"""Results of lanes on disk, each known by a digest of its program, key and setting."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from .._core.checks import Checks
from .._core.keys import data_of, of_dtype
from .._core.types import Key, Tree
from ._checkpoints._files import sync_directory
from ._lanes import FitOne, Lanes

PARTIAL = ".partial"
LEFTOVER_AGE = 3600.0
"""Seconds after which a file that is not complete is nobody's."""


class StoredLanes:
    """The results of lanes in a directory, one file for each chunk; a file is complete or absent.

    Process 0 reads and writes, and sends what it read to the others.
    """

    def __init__(self, check: Checks, directory: Any, fit_one: FitOne, keys: Key, hypers: Tree, lanes: Lanes) -> None:
        if not isinstance(directory, str | os.PathLike):
            raise TypeError(f"{check}: checkpoints must be the path of a directory; got {directory!r}")
        self.directory = Path(directory)
        first = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), (keys, hypers))
        program, self.like = jax.make_jaxpr(fit_one, return_shape=True)(*first)
        self.names = _digests(_digest_of_program(program, self.like), keys, hypers, lanes)
        if jax.process_index() == 0:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()

    def read(self) -> tuple[Tree | None, np.ndarray]:
        """The stored results, one row per lane in order, and the numbers of the lanes that are missing."""
        rows = self._rows() if jax.process_index() == 0 else {}
        is_there = np.array([lane in rows for lane in range(len(self.names))])
        is_there = np.asarray(multihost_utils.broadcast_one_to_all(is_there)) if jax.process_count() > 1 else is_there
        there, missing = np.flatnonzero(is_there), np.flatnonzero(~is_there)
        if not len(there):
            return None, missing
        plain = [np.zeros((len(there), *leaf.shape), leaf.dtype) for leaf in map(_words, jax.tree.leaves(self.like))]
        for place, lane in enumerate(there.tolist() if rows else ()):
            for leaf, row in zip(plain, rows[lane], strict=True):
                leaf[place] = row.view(leaf.dtype).reshape(leaf.shape[1:])
        if jax.process_count() > 1:
            plain = multihost_utils.broadcast_one_to_all(plain)
        if jax.process_index() == 0:
            print(f"sweep: {len(there)} of {len(self.names)} lanes are in {self.directory}", file=sys.stderr)
        leaves = zip(plain, jax.tree.leaves(self.like), strict=True)
        results = [of_dtype(jnp.asarray(leaf), like.dtype) for leaf, like in leaves]
        return jax.tree.unflatten(jax.tree.structure(self.like), results), missing

    def write(self, lanes: np.ndarray, results: Tree) -> None:
        """Add the results of some lanes."""
        # As bytes, since numpy's files know no bfloat16.
        plain = [np.ascontiguousarray(data_of(leaf)) for leaf in jax.tree.leaves(results)]
        arrays: dict[str, Any] = {
            f"leaf {place}": leaf.reshape(len(lanes), -1).view(np.uint8) for place, leaf in enumerate(plain)
        }
        if jax.process_index() > 0:
            return
        names = np.array([self.names[lane] for lane in lanes])
        with tempfile.NamedTemporaryFile(dir=self.directory, prefix="lanes.", suffix=PARTIAL, delete=False) as file:
            np.savez(file, lanes=names, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, self.directory / f"{hashlib.sha256(names.tobytes()).hexdigest()[:32]}.npz")
        sync_directory(self.directory)

    def _remove_leftovers(self) -> None:
        """Remove what kills left half written; a young file may be that of another sweep, still writing."""
        for path in self.directory.glob(f"lanes.*{PARTIAL}"):
            if path.exists() and time.time() - path.stat().st_mtime > LEFTOVER_AGE:
                path.unlink(missing_ok=True)

    def _rows(self) -> dict[int, list[np.ndarray]]:
        """The stored leaves of each lane that is in a readable file."""
        wanted = {name: lane for lane, name in enumerate(self.names)}
        rows = {}
        for path in sorted(self.directory.glob("*.npz")):
            try:
                with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                    arrays = [file[f"leaf {place}"] for place in range(len(file.files) - 1)]
                    names = file["lanes"].tolist()
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                print(f"sweep: {path} cannot be read, so its lanes run again ({error})", file=sys.stderr)
                continue
            for row, name in enumerate(names):
                if name in wanted:
                    rows[wanted[name]] = [leaf[row] for leaf in arrays]
        return rows


def _digests(program: bytes, keys: Key, hypers: Tree, lanes: Lanes) -> list[str]:
    key_words = np.asarray(jax.random.key_data(keys))
    implementation = str(jax.random.key_impl(keys)).encode()
    settings = [(path, np.asarray(data_of(leaf))) for path, leaf in jax.tree_util.tree_leaves_with_path(hypers)]
    by_setting = []
    for row in range(len(settings[0][1])):
        digest = hashlib.sha256(program)
        for path, leaf in settings:
            digest.update(repr((jax.tree_util.keystr(path), leaf.dtype.str, leaf.shape[1:])).encode())
            digest.update(np.ascontiguousarray(leaf[row]).tobytes())
        by_setting.append(digest)
    names = []
    for key, hyper in zip(lanes.key, lanes.hyper, strict=True):
        digest = by_setting[hyper].copy()
        digest.update(implementation + key_words[key].tobytes())
        names.append(digest.hexdigest())
    return names


def _digest_of_program(program: Any, like: Tree) -> bytes:
    """What a jaxpr prints, with every array in it in full, the form of its results, and JAX's version."""
    text = re.sub(r" at 0x[0-9a-f]+", "", f"{jax.__version__} {jax.default_backend()} {program} {like}")
    digest = hashlib.sha256(text.encode())
    for array in _arrays(program):
        digest.update(np.ascontiguousarray(data_of(array)).tobytes())
    return digest.digest()


def _arrays(program: Any) -> Iterator[Any]:
    """The constants and literals of a jaxpr and of those inside."""
    yield from getattr(program, "consts", ())
    jaxpr = getattr(program, "jaxpr", program)
    for equation in jaxpr.eqns:
        yield from (np.asarray(variable.val) for variable in equation.invars if hasattr(variable, "val"))
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda node: hasattr(node, "eqns")):
            if hasattr(getattr(value, "jaxpr", value), "eqns"):
                yield from _arrays(value)


def _words(like: Any) -> Any:
    return jax.eval_shape(data_of, like)
