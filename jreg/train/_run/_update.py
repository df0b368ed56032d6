"""The part of a run that lives on the device: the update, its sums and its counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from ..._core.types import Key, Tree
from ...random import fold_in
from .._state import TrainState
from .._step import Metrics, Step
from ._non_finite import NonFinite, is_sound


class Carry(NamedTuple):
    """What every step takes over from the step before; the sums and `num_good` are those of the current epoch."""

    state: TrainState
    taken: Int[Array, ""]
    """The batches taken in the whole run: the step's key is folded from it."""
    sums: dict[str, Float[Array, ""]]
    num_good: Int[Array, ""]
    num_bad: Int[Array, ""]
    first_bad: Int[Array, ""]
    """Which batch of the run first gave numbers that are not finite; -1 for none."""


class Report(NamedTuple):
    """What the host reads of a step, some time later."""

    metrics: Metrics
    first_bad: Int[Array, ""]


def carried(state: TrainState, taken: int, sums: Mapping[str, float], num_good: int, num_bad: int) -> Carry:
    """A carry with a copy of the state, and with counts that the host gives."""
    floats = {name: np.float32(value) for name, value in sums.items()}
    numbers = np.int32(taken), floats, np.int32(num_good), np.int32(num_bad), np.int32(-1)
    return Carry(copied(state), *beside(state, numbers))


def _update(
    carry: Carry, key: Key, batch: Tree, hyper: Tree, *, step: Step, non_finite: NonFinite
) -> tuple[Carry, Report]:
    new, metrics = step(carry.state, fold_in(key, carry.taken), batch, hyper)
    is_good = is_sound(new, metrics)
    first_bad = jnp.where(is_good | (carry.first_bad >= 0), carry.first_bad, carry.taken)
    is_taken = is_good & (first_bad < 0) if non_finite == "stop" else is_good
    if non_finite != "raise":
        new = jax.tree.map(lambda after, before: jnp.where(is_taken, after, before), new, carry.state)
    sums = {name: carry.sums[name] + jnp.where(is_taken, _float32(value), 0.0) for name, value in metrics.items()}
    num_bad = carry.num_bad + (~is_good).astype(jnp.int32)
    num_good = carry.num_good + is_taken.astype(jnp.int32)
    carry = Carry(new, carry.taken + 1, sums, num_good, num_bad, first_bad)
    return carry, Report(metrics, first_bad)


_options = ("step", "non_finite")
_update_in_place = jax.jit(_update, static_argnames=_options, donate_argnames="carry")
_update_aside = jax.jit(_update, static_argnames=_options)


def update(
    carry: Carry, key: Key, batch: Tree, hyper: Tree, *, step: Step, non_finite: NonFinite
) -> tuple[Carry, Report]:
    """Take one batch. The carry's buffers are reused, except where jax must run the step again to find a NaN."""
    is_debugging = jax.config.jax_debug_nans or jax.config.jax_debug_infs  # pyright: ignore[reportAttributeAccessIssue]
    run = _update_aside if is_debugging else _update_in_place
    return run(carry, key, batch, hyper, step=step, non_finite=non_finite)


def copied(state: TrainState) -> TrainState:
    """A state with buffers of its own, so that the caller's survive the donation.

    Aliases become copies, and weak types strong, as every step returns them.
    """
    return jax.tree.map(lambda leaf: jnp.array(leaf, dtype=jnp.asarray(leaf).dtype), state)


def beside(state: TrainState, tree: Tree) -> Tree:
    """Put scalars on every device of a sharded state, as each update returns them: one compilation serves all steps."""
    shardings = (leaf.sharding for leaf in jax.tree.leaves(state))
    mesh = next((sharding.mesh for sharding in shardings if isinstance(sharding, NamedSharding)), None)
    if mesh is None:
        return jax.device_put(tree)
    # device_put would compare the processes' values first, and NaN differs from NaN.
    everywhere, values = NamedSharding(mesh, PartitionSpec()), jax.tree.map(np.asarray, tree)
    return jax.tree.map(lambda leaf: jax.make_array_from_callback((), everywhere, lambda _: leaf), values)


def zero_sums(step: Step, state: TrainState, key: Key, batch: Tree, hyper: Tree) -> dict[str, Any]:
    _, metrics = jax.eval_shape(step, state, key, batch, hyper)
    return {name: np.float32(0.0) for name in metrics}


def _float32(value: Any) -> Float[Array, ""]:
    return jnp.asarray(value).astype(jnp.float32)
