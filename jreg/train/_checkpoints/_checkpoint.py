"""Checkpoints that are whole or not there: written aside, listed with digests, renamed into place, never torn."""

import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from ..._core import checks
from ..._core.types import Tree
from . import _folders, _leaves, _manifest
from ._lock import locked
from ._storage import read_arrays, write_arrays


class Checkpoint(NamedTuple):
    """What one checkpoint holds."""

    state: Tree
    step: int
    metrics: dict[str, float]
    notes: Any


class Checkpoints:
    """A directory of checkpoints: the latest `keep` and the best.

    A save is written beside the others and renamed when it is complete and on the disk, and only then are old ones
    deleted, so a kill at any moment leaves the one before or the new one. Saving blocks until all this is done. Every
    restore compares each file with the digest that was taken when it was written; a damaged newest checkpoint is passed
    over for the one before, with a warning. Arrays are stored by orbax, sharded ones by every process that holds a
    shard: then all processes call `save` and `restore`, on a directory that they share.

    Args:
      directory: made if it is missing.
      keep: how many of the latest to keep, at least 1.
      monitor: the metric that tells which is best; a checkpoint saved without metrics is never best, nor is NaN.
      mode: whether lower ("min") or higher ("max") is better.

    >>> import jax.numpy as jnp, tempfile
    >>> from jreg import train
    >>> checkpoints = train.Checkpoints(tempfile.mkdtemp(), keep=2)
    >>> for step, loss in enumerate([0.1, 0.3, 0.2, 0.4]):
    ...     checkpoints.save({"w": jnp.full(2, loss)}, step, {"loss": loss})
    >>> checkpoints.steps, checkpoints.best_step
    ((0, 2, 3), 0)
    >>> checkpoints.restore({"w": jnp.zeros(2)}, step=checkpoints.best_step)["w"].tolist()
    [0.10000000149011612, 0.10000000149011612]
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        keep: int = 3,
        monitor: str = "loss",
        mode: Literal["min", "max"] = "min",
    ) -> None:
        self.directory = Path(directory).absolute()
        self.keep = checks.integer("Checkpoints", "keep", keep)
        self.monitor = monitor
        self.mode = checks.choice("Checkpoints", "mode", mode, ("min", "max"))
        self._damaged: set[Path] = set()

    def __repr__(self) -> str:
        return f"Checkpoints({str(self.directory)!r}, keep={self.keep}, monitor={self.monitor!r}, mode={self.mode!r})"

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps that were saved, in order; whether they are whole shows when they are restored."""
        return tuple(sorted(_folders.listed(self.directory)))

    @property
    def latest_step(self) -> int | None:
        """The last step that was saved, or None."""
        return max(self.steps, default=None)

    @property
    def best_step(self) -> int | None:
        """The step with the best value of `monitor`, the first of equals; None if no checkpoint has one."""
        sign = 1.0 if self.mode == "min" else -1.0
        values = ((sign * self._value(step), step) for step in self.steps)
        return min((pair for pair in values if not math.isnan(pair[0])), default=(0.0, None))[1]

    def save(self, state: Tree, step: int, metrics: Mapping[str, Any], *, notes: Any = None) -> None:
        """Store a state after `step` updates, and drop what is no longer to keep.

        Args:
          state: a pytree of arrays, keys, Python numbers and None.
          step: at least the latest step there is; that one may be saved again and is replaced.
          metrics: numbers, of which `monitor` decides what is best; empty for a checkpoint that is not to compete.
          notes: anything that JSON can hold.

        Raises:
          ValueError: a step before the latest.
          KeyError: there are metrics, but `monitor` is not among them.
          OSError: it could not be written; the checkpoints that were there still are.
          BlockingIOError: another process is writing here.
        """
        step = _step_number(step)
        if metrics and self.monitor not in metrics:
            raise KeyError(f"save: metrics must hold {self.monitor!r}, which is monitored; got {sorted(metrics)}")
        content = {
            "step": step,
            "metrics": {name: float(value) for name, value in metrics.items()},
            "notes": notes,
            "leaves": _leaves.describe(state),
            "jax": jax.__version__,
        }
        arrays = _leaves.stored(state)
        with self.writing():
            if jax.process_index() == 0:
                _folders.prepare(self.directory, step, self._damaged)
            temporary = _folders.temporary(self.directory, step)
            try:
                _barrier("jreg: begin to save")
                write_arrays(temporary, arrays)
                if jax.process_index() == 0:
                    _manifest.write(temporary, content)
                    _folders.commit(temporary, step)
            except Exception as error:
                _folders.discard(temporary)
                raise OSError(f"save: step {step} could not be written to {self.directory}: {error}") from error
            if jax.process_index() == 0:
                _folders.prune(self.directory, {*self.steps[-self.keep :], self.best_step})
            _barrier("jreg: saved")

    def restore(self, template: Tree, step: int | None = None, *, at: str = "") -> Tree:
        """Read the newest whole checkpoint, or that of one step, in the form of a template.

        Args:
          template: a state of the same structure, shapes and dtypes, or `jax.eval_shape` of what makes one. Leaves go
            to the devices that they are on in the template.
          step: None for the newest that is whole.
          at: the path of a subtree, such as "state/params", to restore only that; the template is then of it.

        Raises:
          FileNotFoundError: there is no checkpoint, or not of that step.
          ValueError: the template differs (it lists the paths), or no checkpoint is whole, or not that of `step`.
        """
        return self.load(template, step, at=at).state

    def load(self, template: Tree, step: int | None = None, *, at: str = "") -> Checkpoint:
        """As `restore`, with the step, the metrics and the notes that were saved beside the state."""
        step = self._whole(step)
        folder = _folders.listed(self.directory)[step]
        manifest = _manifest.read(folder, step)
        saved = _leaves.below(manifest["leaves"], at)
        wrong = _leaves.differences(list(saved.values()), _leaves.describe(template))
        if wrong:
            listed = "\n  ".join(wrong)
            raise ValueError(f"restore: template must match the checkpoint of step {step} in {folder}:\n  {listed}")
        arrays = read_arrays(folder, _leaves.wanted(template, saved))
        state = _leaves.rebuilt(template, saved, arrays)
        return Checkpoint(state, step, manifest["metrics"], manifest["notes"])

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the directory against other processes for longer than one save."""
        if jax.process_index() != 0:
            yield
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        with locked(self.directory):
            yield

    def _value(self, step: int) -> float:
        try:
            return _manifest.read(_folders.listed(self.directory)[step], step)["metrics"].get(self.monitor, math.nan)
        except ValueError:
            return math.nan

    def _whole(self, step: int | None) -> int:
        """The step to read; where there are several processes, the first decides for all."""
        if jax.process_count() == 1:
            return self._newest_whole(step)
        failure, found = None, -1
        try:
            found = self._newest_whole(step) if jax.process_index() == 0 else -1
        except (OSError, ValueError) as error:
            failure = error
        found = int(multihost_utils.broadcast_one_to_all(np.int32(found)))
        if found < 0:
            raise failure or ValueError("restore: the first process found no checkpoint to restore")
        return found

    def _newest_whole(self, step: int | None) -> int:
        folders = _folders.listed(self.directory)
        candidates = sorted(folders, reverse=True) if step is None else [step] if step in folders else []
        if not candidates:
            wanted = "a checkpoint" if step is None else f"step {step}"
            raise FileNotFoundError(f"restore: {self.directory} must hold {wanted}; it holds {sorted(folders)}")
        reasons = []
        for candidate in candidates:
            try:
                _manifest.verify(folders[candidate], _manifest.read(folders[candidate], candidate))
            except _manifest.DamagedError as error:
                self._damaged.add(folders[candidate])
                reasons.append(f"step {candidate}: {error}")
                continue
            if reasons:
                listed = "; ".join(reasons)
                warnings.warn(f"restore: took step {candidate}, since later ones are damaged. {listed}", stacklevel=4)
            return candidate
        raise ValueError(f"restore: every checkpoint asked for is damaged. {'; '.join(reasons)}")


def _step_number(step: Any) -> int:
    return checks.integer("save", "step", step.item() if hasattr(step, "item") else step, low=0)


def _barrier(name: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
