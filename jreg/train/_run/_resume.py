"""Resume: a run begins, or goes on where its newest whole checkpoint is, with the settings that it began with."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._core.types import Key
from .._checkpoints import Checkpoint, Checkpoints, _history
from .._checkpoints._leaves import sharding_of
from .._state import TrainState
from .._stopping import Stopping, init_stopping
from ._settings import changes, digest, settings
from ._story import Plan, Story, as_notes, from_notes
from ._update import Carry, beside, copied


def started(plan: Plan, state: TrainState) -> tuple[Story, Carry, Stopping, bool]:
    """Begin, or go on where the newest whole checkpoint is; the last of the four tells which."""
    state = jax.tree.map(jnp.asarray, state)
    # No value yet is NaN by design.
    with jax.debug_nans(False):
        stopping = beside(state, init_stopping(()))
    is_resumed = plan.checkpoints is not None and plan.checkpoints.latest_step is not None
    if plan.checkpoints is not None and is_resumed:
        story, own, stopping = _resumed(plan, plan.checkpoints, state, stopping)
    else:
        begun = int(state.step)
        story, own = Story(taken=begun, begun=begun), copied(state)
        stopping = stopping._replace(best_params=copied(state))
    counts = map(np.int32, (story.taken, story.num_good, story.num_bad, -1))
    taken, num_good, num_bad, first_bad = beside(state, tuple(counts))
    sums = beside(state, {name: np.float32(value) for name, value in story.sums.items()})
    return story, Carry(own, taken, sums, num_good, num_bad, first_bad), stopping, is_resumed


def saved(plan: Plan, story: Story, carry: Carry, stopping: Stopping, metrics: dict[str, float]) -> None:
    """Store all that `started` needs to go on from here."""
    if plan.checkpoints is None:
        return
    sums, num_good, num_bad = jax.device_get((carry.sums, carry.num_good, carry.num_bad))
    story.sums = {name: float(value) for name, value in sums.items()}
    story.num_good, story.num_bad = int(num_good), int(num_bad)
    state = {"state": carry.state, "best": stopping, "key": plan.key}
    given = _settings(plan, carry.state)
    notes = {"run": as_notes(story), "settings": given, "digest": digest(given)}
    plan.checkpoints.save(state, story.taken, metrics, notes=notes, history=story.history)


def _resumed(
    plan: Plan, checkpoints: Checkpoints, state: TrainState, stopping: Stopping
) -> tuple[Story, TrainState, Stopping]:
    # A template without numbers, so that no more of them are in memory than the run needs.
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding_of(leaf)), state)
    found = checkpoints.load({"state": like, "best": stopping._replace(best_params=like), "key": plan.key})
    story, before = _noted(checkpoints, found)
    _require_same_key(plan.key, found.state["key"])
    _require_place(plan, story)
    stopping = found.state["best"]
    if plan.resume == "anyway":
        # Another patience judges anew.
        should_stop = np.asarray(stopping.num_bad) >= max(plan.patience, 1.0)
        stopping = stopping._replace(should_stop=beside(state, np.asarray(should_stop)))
    else:
        _require_same_settings(checkpoints, before, _settings(plan, state))
    return story, copied(found.state["state"]), stopping


def _noted(checkpoints: Checkpoints, found: Checkpoint) -> tuple[Story, dict[str, str]]:
    try:
        story, before = from_notes(found.notes["run"]), dict(found.notes["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"run: checkpoints must be those of a run; step {found.step} in {checkpoints.directory} was saved otherwise"
        ) from error
    story.history = _history.restored(found.history, story.epoch)
    return story, before


def _settings(plan: Plan, state: TrainState) -> dict[str, str]:
    options = {name: getattr(plan, name) for name in ("patience", "min_delta", "non_finite", "steps_per_epoch")}
    return settings(plan.hyper, state.opt_state, epochs=plan.epochs, **options)


def _require_place(plan: Plan, story: Story) -> None:
    """The run must be able to go on from where it is."""
    already = story.epoch + (story.position > 0)
    if plan.epochs < already and plan.resume != "anyway":
        raise ValueError(
            f"run: epochs must be at least {already}, which the run in `checkpoints` has begun already; "
            f"got {plan.epochs}"
        )
    if plan.steps_per_epoch is not None and plan.steps_per_epoch < story.position:
        raise ValueError(
            f"run: steps_per_epoch must be at least {story.position}, the steps of epoch {story.epoch} (counted from "
            f"0) that the run in `checkpoints` has made already; got {plan.steps_per_epoch}"
        )


def _require_same_settings(checkpoints: Checkpoints, before: dict[str, str], now: dict[str, str]) -> None:
    """More or fewer epochs are no change of what was done so far."""
    changed = changes({**before, "epochs": ""}, {**now, "epochs": ""})
    if changed:
        listed = "\n  ".join(changed)
        raise ValueError(
            f"run: the settings must be those that the run in {checkpoints.directory} has, or resume must be 'anyway'; "
            f"changed are\n  {listed}"
        )


def _require_same_key(key: Key, saved_key: Key) -> None:
    given, begun_with = (np.asarray(_key_data(one)) for one in (key, saved_key))
    if not np.array_equal(given, begun_with):
        raise ValueError(
            f"run: key must be the one that the run in `checkpoints` began with, {begun_with}; got {given}"
        )


def _key_data(key: Key) -> Any:
    return jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
