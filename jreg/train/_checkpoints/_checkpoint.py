"""Checkpoints that are whole or not there: written aside, listed with digests, renamed into place, never torn."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from jax.experimental import multihost_utils

from ..._core import checks
from ..._core.checks import Checks
from ..._core.types import Tree
from . import _folders, _history, _leaves, _manifest
from ._lock import locked
from ._newest import read_newest
from ._notes import require_json
from ._restore import Checkpoint, require_whole
from ._restore import read as read_checkpoint
from ._storage import write_arrays


class Checkpoints:
    """A directory of checkpoints: the latest `keep` and the best.

    A save is written beside the others and renamed when it is complete and on the disk. Only then are old ones deleted,
    so a kill at any moment leaves the one before or the new one. Saving blocks until all this is done. Every restore
    compares each file with the digest that was taken when it was written; it passes over a damaged newest checkpoint
    for the one before, with a warning. One `Checkpoints` in one thread writes at a time; others may read meanwhile.
    Only what was written here is ever changed in the directory. Arrays are stored by orbax, sharded ones by every
    process that holds a shard: then all processes call `save` and `restore`, on a directory that they share.

    Args:
      directory: where the checkpoints are; it is made if it is missing.
      keep: how many of the latest to keep, at least 1.
      monitor: the metric that tells which is best. NaN is never best, nor is a checkpoint saved without metrics.
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
        check = Checks("Checkpoints")
        self.directory = Path(directory).absolute()
        self.keep = check.integer("keep", keep)
        self.monitor = monitor
        check.choice("mode", mode, ("min", "max"))
        self.mode: Literal["min", "max"] = mode
        self._damaged: set[Path] = set()

    def __repr__(self) -> str:
        return f"Checkpoints({str(self.directory)!r}, keep={self.keep}, monitor={self.monitor!r}, mode={self.mode!r})"

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps that were saved, in order; only a restore shows whether they are whole."""
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

    def save(
        self,
        state: Tree,
        step: int,
        metrics: Mapping[str, Any],
        *,
        notes: Any = None,
        history: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        """Store a state after `step` updates, and delete old checkpoints.

        Args:
          state: a pytree of arrays, keys, Python numbers and None.
          step: at least the latest step there is; saving that one again replaces it.
          metrics: numbers, of which `monitor` decides what is best; empty for a checkpoint that must not compete.
          notes: dicts whose keys are names, lists, text, Python numbers, True, False and None.
          history: named sequences of numbers of one length, such as a loss per epoch. What an earlier checkpoint holds
            of it is linked and not written again, so a save costs only what is new.

        Raises:
          ValueError: a step before the latest, or one whose name is taken by a link or by something else.
          TypeError, ValueError: a part of the state, the metrics, the notes or the history would not come back as it
            is; it is named before anything is written.
          ValueError: there are metrics, but `monitor` is not among them.
          OSError: the disk failed; the checkpoints that were there still are.
          BlockingIOError: another process, thread or `Checkpoints` is writing here.
        """
        step = _step_number(step)
        if metrics and self.monitor not in metrics:
            raise ValueError(f"save: metrics must hold {self.monitor!r}, which is monitored; got {sorted(metrics)}")
        require_json(notes)
        rows = _history.as_history(history)
        content = {
            "step": step,
            "metrics": {_name(name): _number(name, value) for name, value in metrics.items()},
            "notes": notes,
            "leaves": _leaves.describe(state),
            "history": {"rows": rows.rows, "parts": _history.num_parts(rows.rows)},
            "jax": jax.__version__,
        }
        arrays = _leaves.stored(state)
        with self.writing():
            temporary = None
            try:
                temporary = self._begun(step)
                write_arrays(temporary, arrays)
                if jax.process_index() == 0:
                    linked = _history.write(temporary, rows, *self._before(step))
                    _manifest.write(temporary, content, linked)
                    _folders.commit(temporary, step)
            except Exception as error:
                if temporary is not None:
                    _folders.discard(temporary)
                if not isinstance(error, OSError):
                    raise
                raise OSError(f"save: step {step} could not be written to {self.directory}: {error}") from error
            if jax.process_index() == 0:
                _folders.prune(self.directory, self.keep, self.best_step)
            _barrier("jreg: saved")

    def restore(self, template: Tree, step: int | None = None, *, at: str = "") -> Tree:
        """Read the newest whole checkpoint, or that of one step, in the form of a template.

        Args:
          template: a state of the same structure, shapes and dtypes, or `jax.eval_shape` of what makes one. Each leaf
            goes to the devices that its template is on.
          step: None for the newest that is whole.
          at: the path of a subtree, such as "state/params", to restore only that; `template` is then of that subtree.

        Raises:
          FileNotFoundError: there is no checkpoint, or none of that step.
          ValueError: the template differs (the message lists the paths) or has float64 while jax holds none, or no
            checkpoint is whole, or that of `step` is not.
        """
        return self.load(template, step, at=at).state

    def load(self, template: Tree, step: int | None = None, *, at: str = "") -> Checkpoint:
        """Read as `restore` does, with the step, the metrics, the notes and the history saved beside the state."""
        step = self._agreed(step)
        read = partial(read_checkpoint, template=template, at=at)
        return read_newest(self.directory, step, self._damaged, read)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers out of the directory for longer than one save."""
        if jax.process_index() != 0:
            yield
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        with locked(self.directory, self):
            yield

    def _value(self, step: int) -> float:
        try:
            manifest = _manifest.read(_folders.listed(self.directory)[step], step)
        except (ValueError, KeyError):
            # Damaged, or deleted by a writer meanwhile.
            return math.nan
        return manifest["metrics"].get(self.monitor, math.nan)

    def _begun(self, step: int) -> Path:
        """A folder to write to, made by the first process for all."""
        name = 0
        if jax.process_index() == 0:
            _folders.prepare(self.directory, step, self._damaged)
            name = _folders.number_of(_folders.make_temporary(self.directory, step))
        if jax.process_count() > 1:
            name = int(multihost_utils.broadcast_one_to_all(np.int32(name)))
        return _folders.temporary(self.directory, step, name)

    def _before(self, step: int) -> tuple[Path | None, dict[str, str]]:
        """The latest checkpoint, whose parts of a history a save may link, and its files."""
        number, folder = max(_folders.listed(self.directory).items(), default=(step, None))
        if folder is None:
            return None, {}
        try:
            return folder, _manifest.read(folder, number)["files"]
        except ValueError:
            return None, {}

    def _agreed(self, step: int | None) -> int | None:
        """The step to read; where there are several processes, the first decides for all."""
        if jax.process_count() == 1:
            return step
        failure, found = None, -1
        try:
            if jax.process_index() == 0:
                found = read_newest(self.directory, step, self._damaged, require_whole)
        except (OSError, ValueError) as error:
            failure = error
        found = int(multihost_utils.broadcast_one_to_all(np.int32(found)))
        if found < 0:
            raise failure or ValueError("restore: the first process found no checkpoint to restore")
        return found


def _name(name: Any) -> str:
    if type(name) is not str:
        raise TypeError(f"save: metrics must have names; got {name!r}")
    return name


def _number(name: str, value: Any) -> float:
    if not (checks.is_real(value) or isinstance(value, bool | np.bool_)) or np.shape(value):
        raise TypeError(f"save: metrics must be numbers; {name!r} is {value!r}")
    return float(value)


def _step_number(step: Any) -> int:
    return Checks("save").integer("step", step.item() if hasattr(step, "item") else step, low=0)


def _barrier(name: str) -> None:
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
