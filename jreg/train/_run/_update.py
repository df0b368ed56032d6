"""The part of a run that lives on the device: the update, its sums, and what becomes of numbers that are not finite."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from ..._core.types import Key, Tree
from ...random import fold_in
from .._state import TrainState
from .._step import Evaluate, Metrics, Step


class Carry(NamedTuple):
    """The state, the batches taken in the whole run, and what the epoch has summed up."""

    state: TrainState
    taken: Int[Array, ""]
    sums: dict[str, Float[Array, ""]]
    num_good: Int[Array, ""]
    num_bad: Int[Array, ""]
    first_bad: Int[Array, ""]
    """Which batch of the run gave the first numbers that are not finite; -1 for none."""


class Report(NamedTuple):
    """What the host reads of a step, some time later."""

    metrics: Metrics
    first_bad: Int[Array, ""]


def _update(carry: Carry, key: Key, batch: Tree, hyper: Tree, *, step: Step, non_finite: str) -> tuple[Carry, Report]:
    new, metrics = step(carry.state, fold_in(key, carry.taken), batch, hyper)
    is_good = _is_sound(new, metrics)
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


def update(carry: Carry, key: Key, batch: Tree, hyper: Tree, *, step: Step, non_finite: str) -> tuple[Carry, Report]:
    """Take one batch. The carry's buffers are reused, except where jax must run the step again to find a NaN."""
    is_debugging = jax.config.jax_debug_nans or jax.config.jax_debug_infs  # pyright: ignore[reportAttributeAccessIssue]
    run = _update_aside if is_debugging else _update_in_place
    return run(carry, key, batch, hyper, step=step, non_finite=non_finite)


@partial(jax.jit, static_argnames="evaluate")
def evaluated(state: TrainState, batch: Tree, hyper: Tree, *, evaluate: Evaluate) -> Metrics:
    return evaluate(state, batch, hyper)


def copied(state: TrainState) -> TrainState:
    """A state whose buffers are its own, so that the caller's outlive the donation.

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


def _is_sound(state: TrainState, metrics: Metrics) -> Bool[Array, ""]:
    """The loss and the parameters are finite, and nothing else is NaN: some optimizers start from an infinity."""
    strict = [metrics.get("loss", 0.0), *jax.tree.leaves(state.params)]
    lenient = jax.tree.leaves((state.opt_state, state.model_state))
    checks = [jnp.all(jnp.isfinite(leaf)) for leaf in strict if _is_inexact(leaf)]
    checks += [~jnp.any(jnp.isnan(leaf)) for leaf in lenient if _is_inexact(leaf)]
    return jnp.all(jnp.stack(checks)) if checks else jnp.array(True)


def _is_inexact(leaf: Any) -> bool:
    return jnp.issubdtype(getattr(leaf, "dtype", float), jnp.inexact)


def _float32(value: Any) -> Float[Array, ""]:
    return jnp.asarray(value).astype(jnp.float32)
