"""Resume: a run begins, or continues from its newest whole checkpoint with the settings that it began with."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._core.keys import data_of
from ..._core.types import Key
from .._checkpoints import Checkpoint, Checkpoints, _history
from .._checkpoints._leaves import sharding_of
from .._state import TrainState
from .._stopping import Stopping, init_stopping
from ._place import of_all_processes, of_this_process
from ._plan import Plan
from ._record import Record
from ._settings import changes, digest, settings
from ._update import Carry, beside, carried, copied
from ._validation import to_judge


def begin_or_resume(plan: Plan, state: TrainState) -> tuple[Record, Carry, Stopping, bool]:
    """Begin, or continue from the newest whole checkpoint; the last of the four tells whether it resumed."""
    state = jax.tree.map(jnp.asarray, state)
    best = to_judge(state, plan.validated)
    # No value yet is NaN by design.
    with jax.debug_nans(False):
        stopping = beside(state, init_stopping(()))
    if plan.checkpoints is not None and plan.checkpoints.latest_step is not None:
        return *_resumed(plan, plan.checkpoints, state, stopping._replace(best_params=best)), True
    begun = int(state.step)
    record = Record(
        epoch=0, position=0, taken=begun, begun=begun, num_good_before=1, place=None, history=_history.History()
    )
    carry = carried(state, begun, {}, num_good=0, num_bad=0)
    return record, carry, stopping._replace(best_params=copied(best)), False


def save(plan: Plan, record: Record, carry: Carry, stopping: Stopping, metrics: dict[str, float]) -> None:
    """Store all that `begin_or_resume` needs to continue from here."""
    if plan.checkpoints is None:
        return
    state = {"state": carry.state, "best": stopping, "key": plan.key}
    given = _settings(plan, carry.state)
    notes = {
        "run": _as_notes(record, carry),
        "settings": given,
        "digest": digest(given),
        "loaders": of_all_processes(record.place),
    }
    plan.checkpoints.save(state, record.taken, metrics, notes=notes, history=record.history)


def _resumed(
    plan: Plan, checkpoints: Checkpoints, state: TrainState, stopping: Stopping
) -> tuple[Record, Carry, Stopping]:
    # A template without numbers, so that no more of them are in memory than the run needs.
    like, best = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding_of(leaf)),
        (state, stopping.best_params),
    )
    found = checkpoints.load({"state": like, "best": stopping._replace(best_params=best), "key": plan.key})
    record, of_device, before = _from_notes(checkpoints, found)
    _require_same_key(plan.key, found.state["key"])
    _require_place(plan, record)
    stopping = found.state["best"]
    if plan.resume == "anyway":
        # Another patience judges anew.
        should_stop = np.asarray(stopping.num_bad) >= max(plan.patience, 1.0)
        stopping = stopping._replace(should_stop=beside(state, np.asarray(should_stop)))
    else:
        _require_same_settings(checkpoints, before, _settings(plan, state))
    return record, carried(found.state["state"], record.taken, **of_device), stopping


def _as_notes(record: Record, carry: Carry) -> dict[str, Any]:
    """The counts of the host and of the device in numbers that JSON keeps exactly; the history is stored apart."""
    sums, num_good, num_bad = jax.device_get((carry.sums, carry.num_good, carry.num_bad))
    return {
        "epoch": record.epoch,
        "position": record.position,
        "taken": record.taken,
        "begun": record.begun,
        "num_bad": int(num_bad),
        "num_good": int(num_good),
        "num_good_before": record.num_good_before,
        "sums": {name: float(value) for name, value in sums.items()},
    }


def _from_notes(checkpoints: Checkpoints, found: Checkpoint) -> tuple[Record, dict[str, Any], dict[str, str]]:
    """The host's record, what the device had counted, and the settings.

    Raises:
      ValueError: the notes are not those of a run.
    """
    try:
        counts, before = dict(found.notes["run"]), dict(found.notes["settings"])
        of_device = {name: counts.pop(name) for name in ("sums", "num_good", "num_bad")}
        numbers = *counts.values(), of_device["num_good"], of_device["num_bad"]
        if not all(type(number) is int for number in numbers) or type(of_device["sums"]) is not dict:
            raise TypeError("counts that no run has")
        place = of_this_process(found.notes["loaders"])
        record = Record(**counts, place=place, history=_history.restored(found.history, counts["epoch"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"run: checkpoints must be those of a run; step {found.step} in {checkpoints.directory} was saved otherwise"
        ) from error
    return record, of_device, before


def _settings(plan: Plan, state: TrainState) -> dict[str, str]:
    options = {
        name: getattr(plan, name)
        for name in ("patience", "min_delta", "warmup", "baseline", "smoothing", "non_finite", "steps_per_epoch")
    }
    return settings(plan.hyper, state.opt_state, epochs=plan.epochs, **options)


def _require_place(plan: Plan, record: Record) -> None:
    """The plan must reach beyond the place where the run is."""
    already = record.epoch + (record.position > 0)
    if plan.epochs < already and plan.resume != "anyway":
        raise ValueError(
            f"run: epochs must be at least {already}, which the run in `checkpoints` has begun already; "
            f"got {plan.epochs}"
        )
    if plan.steps_per_epoch is not None and plan.steps_per_epoch < record.position:
        raise ValueError(
            f"run: steps_per_epoch must be at least {record.position}, the steps of epoch {record.epoch} (counted "
            f"from 0) that the run in `checkpoints` has made already; got {plan.steps_per_epoch}"
        )


def _require_same_settings(checkpoints: Checkpoints, before: dict[str, str], now: dict[str, str]) -> None:
    """Another number of epochs changes nothing of what was done so far."""
    changed = changes({**before, "epochs": ""}, {**now, "epochs": ""})
    if changed:
        listed = "\n  ".join(changed)
        raise ValueError(
            f"run: the settings must be those that the run in {checkpoints.directory} has, or resume must be 'anyway'; "
            f"changed are\n  {listed}"
        )


def _require_same_key(key: Key, saved_key: Key) -> None:
    given, begun_with = (np.asarray(data_of(one)) for one in (key, saved_key))
    if not np.array_equal(given, begun_with):
        raise ValueError(
            f"run: key must be the one that the run in `checkpoints` began with, {begun_with}; got {given}"
        )
