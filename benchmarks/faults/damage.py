"""Files that are not what was written: flipped bits, cut ends, files that went missing or changed places."""

import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np

from jreg import train

from .outcome import Outcome, counted, is_state, state

STEPS = (1, 2, 3)
Damages: TypeAlias = Iterator[tuple[Path, bytes | None]]
"""Files with what they are to hold; None deletes them."""


def flips(count: int) -> Outcome:
    """Flip single bits of the newest checkpoint, all its bits with the same probability."""
    generator = np.random.default_rng(0)

    def damage(newest: list[Path], before: list[Path]) -> Damages:
        sizes = np.cumsum([path.stat().st_size for path in newest])
        for bit in generator.integers(8 * sizes[-1], size=count):
            file = int(np.searchsorted(8 * sizes, bit, side="right"))
            content = bytearray(newest[file].read_bytes())
            place = int(bit - 8 * (sizes[file] - len(content)))
            content[place // 8] ^= 1 << place % 8
            yield newest[file], bytes(content)

    return _tried("single bits flipped in the newest checkpoint", damage)


def truncations(count: int) -> Outcome:
    generator = np.random.default_rng(1)

    def damage(newest: list[Path], before: list[Path]) -> Damages:
        for file in generator.integers(len(newest), size=count):
            content = newest[file].read_bytes()
            yield newest[file], content[: int(generator.integers(len(content)))]

    return _tried("files of the newest checkpoint cut short", damage)


def missing() -> Outcome:
    def damage(newest: list[Path], before: list[Path]) -> Damages:
        for path in newest:
            yield path, None

    return _tried("each file of the newest checkpoint deleted", damage)


def swapped() -> Outcome:
    """A file takes the content of its neighbour, or of its counterpart in the checkpoint before."""

    def damage(newest: list[Path], before: list[Path]) -> Damages:
        neighbours = [*newest[1:], newest[0]]
        for path, other in (*zip(newest, neighbours, strict=True), *zip(newest, before, strict=False)):
            if path.read_bytes() != other.read_bytes():
                yield path, other.read_bytes()

    return _tried("files swapped with a neighbour's or with those of the step before", damage)


def _tried(name: str, damage: Callable[[list[Path], list[Path]], Damages]) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = train.Checkpoints(folder)
        for step in STEPS:
            checkpoints.save(state(step), step, {})
        results = Counter()
        for path, content in damage(*(_files(checkpoints.directory, step) for step in STEPS[:0:-1])):
            with _changed(path, content):
                results[_result(checkpoints)] += 1
        if not is_state(checkpoints.restore(state(0)), STEPS[-1]):
            raise RuntimeError("the damage outlived its trial")
    return counted(name, results, "the checkpoint then restored")


@contextmanager
def _changed(path: Path, content: bytes | None) -> Iterator[None]:
    whole = path.read_bytes()
    try:
        path.unlink() if content is None else path.write_bytes(content)
        yield
    finally:
        path.write_bytes(whole)


def _result(checkpoints: train.Checkpoints) -> str:
    """The step before, with a warning, is what must come."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = train.Checkpoints(checkpoints.directory).load(state(0))
        except (OSError, ValueError):
            return "lost"
    if not is_state(found.state, found.step):
        return "wrong"
    if found.step == STEPS[-1]:
        return "recovered: the newest, since nothing in it had changed"
    return "recovered: the one before, with a warning" if said else "wrong: the one before, without a word"


def _files(directory: Path, step: int) -> list[Path]:
    return sorted(path for path in (directory / f"step_{step:08d}").rglob("*") if path.is_file())


def full_disk(count: int) -> Outcome:
    """Let no file grow past a limit, as on a full disk, and save again and again."""
    import resource

    # orbax logs each failure in full.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    results = Counter()
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = train.Checkpoints(folder)
        checkpoints.save(state(1), 1, {})
        for limit in np.geomspace(1, 4000, count).astype(int):
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
            try:
                checkpoints.save(_noise(), 2, {})
                failed = "not refused"
            except OSError as error:
                failed = "" if f"step 2 could not be written to {folder}" in str(error) else "unnamed"
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            # A thread of the failed save may write once more; the next save deletes it, so nothing piles up.
            is_clean = len(list(Path(folder).glob("*.tmp"))) <= 1
            is_whole = is_state(checkpoints.restore(state(0)), 1)
            results["recovered" if not failed and is_clean and is_whole else f"lost: {failed or 'left over'}"] += 1
        checkpoints.save(state(2), 2, {})
        is_clean = {path.name for path in Path(folder).iterdir()} == {"lock", "step_00000001", "step_00000002"}
        is_whole = is_state(checkpoints.restore(state(0)), 2)
        results["recovered" if is_clean and is_whole else "lost: the save after"] += 1
    return counted("disk full (RLIMIT_FSIZE), and a save after there is room", results, "limits from 1 to 4000 bytes")


def _noise() -> dict[str, np.ndarray]:
    """Numbers that do not compress to less than the limit."""
    return {"noise": np.random.default_rng(0).normal(size=4096)}
