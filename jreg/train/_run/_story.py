"""What a run is asked to do, where it is, and how it goes on where it was."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..._core.types import Key, Tree
from .._checkpoints import Checkpoints
from .._checkpoints._leaves import sharding_of
from .._state import TrainState
from .._step import Evaluate, Step
from .._stopping import Stopping, init_stopping
from ._batches import Batches
from ._progress import Event
from ._update import Carry, beside, copied


class Plan(NamedTuple):
    """What a run is asked to do."""

    step: Step
    evaluate: Evaluate
    key: Key
    train_batches: Batches
    valid_batches: Batches
    hyper: Tree
    epochs: int
    checkpoints: Checkpoints | None
    patience: float
    min_delta: float
    monitor: str
    mode: Any
    non_finite: str
    callback: Callable[[Event], Any] | None
    save_every: int | None
    log_every: int
    steps_per_epoch: int | None
    sharding: Any


@dataclass
class Story:
    """Where a run is: what it has done, in numbers that JSON keeps exactly."""

    epoch: int = 0
    position: int = 0
    taken: int = 0
    num_bad: int = 0
    num_good: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    train_history: dict[str, list[float]] = field(default_factory=dict)
    valid_history: dict[str, list[float]] = field(default_factory=dict)


def started(plan: Plan, state: TrainState) -> tuple[Story, Carry, Stopping]:
    """Begin, or go on where the newest whole checkpoint is."""
    state = jax.tree.map(jnp.asarray, state)
    # No value yet is NaN by design.
    with jax.debug_nans(False):
        stopping = beside(state, init_stopping(()))
    if plan.checkpoints is None or plan.checkpoints.latest_step is None:
        story, own, stopping = Story(taken=int(state.step)), copied(state), stopping._replace(best_params=copied(state))
    else:
        story, own, stopping = _resumed(plan, plan.checkpoints, state, stopping)
    counts = map(np.int32, (story.taken, story.num_good, story.num_bad, -1))
    taken, num_good, num_bad, first_bad = beside(state, tuple(counts))
    sums = beside(state, {name: np.float32(value) for name, value in story.sums.items()})
    return story, Carry(own, taken, sums, num_good, num_bad, first_bad), stopping


def _resumed(
    plan: Plan, checkpoints: Checkpoints, state: TrainState, stopping: Stopping
) -> tuple[Story, TrainState, Stopping]:
    # A template without numbers, so that no more of them are in memory than the run needs.
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding_of(leaf)), state)
    found = checkpoints.load({"state": like, "best": stopping._replace(best_params=like), "key": plan.key})
    _require_same_key(plan.key, found.state["key"])
    return Story(**found.notes), copied(found.state["state"]), found.state["best"]


def saved(plan: Plan, story: Story, carry: Carry, stopping: Stopping, metrics: dict[str, float]) -> None:
    """Store all that `started` needs to go on from here."""
    if plan.checkpoints is None:
        return
    sums, num_good, num_bad = jax.device_get((carry.sums, carry.num_good, carry.num_bad))
    story.sums = {name: float(value) for name, value in sums.items()}
    story.num_good, story.num_bad = int(num_good), int(num_bad)
    state = {"state": carry.state, "best": stopping, "key": plan.key}
    plan.checkpoints.save(state, story.taken, metrics, notes=asdict(story))


def _require_same_key(key: Key, saved_key: Key) -> None:
    given, begun_with = (np.asarray(_key_data(one)) for one in (key, saved_key))
    if not np.array_equal(given, begun_with):
        raise ValueError(
            f"run: key must be the one that the run in `checkpoints` began with, {begun_with}; got {given}"
        )


def _key_data(key: Key) -> jax.Array:
    return jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
