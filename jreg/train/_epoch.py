"""One pass over data on the device, in a given order; the rows that fill no batch are dropped, kept or padded."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .._core import keys
from .._core.placement import rows_of, settled
from .._core.types import Key, Tree
from ..random import split_array
from ._state import TrainState
from ._step import Metrics, Step

LastBatch: TypeAlias = Literal["drop", "keep", "pad"]


def pass_over(
    step: Step,
    state: TrainState,
    key: Key,
    data: Tree,
    order: Int[Array, " examples"],
    hyper: Tree,
    batch_size: int,
    last_batch: LastBatch,
) -> tuple[TrainState, Metrics]:
    """Step through the rows of `data` in `order`; return the state and the mean of each metric."""
    num_full, num_left = divmod(order.size, batch_size)
    if last_batch == "pad" and num_left:
        num_full, num_left = num_full + 1, 0
    step_keys = split_array(key, num_full + (last_batch == "keep" and num_left > 0))

    def run(state: TrainState, inputs: tuple[Key, Any]) -> tuple[TrainState, tuple[Metrics, Array]]:
        step_key, (rows, weights) = inputs
        batch = jax.tree.map(lambda leaf: rows_of(leaf, rows), data)
        state, metrics = step(state, step_key, (batch, weights) if last_batch == "pad" else batch, hyper)
        metrics = {name: jnp.asarray(value).astype(jnp.float32) for name, value in metrics.items()}
        return state, (metrics, metrics.get("weight", jnp.sum(weights)))

    # Past the end the rows repeat from the start, with weight 0.
    positions = jnp.arange(num_full * batch_size)
    weights = (positions < order.size).astype(jnp.float32).reshape(num_full, batch_size)
    rows = order[positions % order.size].reshape(num_full, batch_size)
    inputs = step_keys[:num_full], (rows, weights)
    if num_full:
        state = settled(lambda state: run(state, jax.tree.map(lambda leaf: leaf[0], inputs))[0], state, data, hyper)
    state, found = keys.scan(run, state, *inputs)
    if last_batch == "keep" and num_left:
        state, last = run(state, (step_keys[-1], (order[-num_left:], jnp.ones(num_left, jnp.float32))))
        found = jax.tree.map(lambda many, one: jnp.append(many, one), found, last)
    metrics, weights = found
    return state, {name: _mean(values, weights) for name, values in metrics.items()}


def batch_like(data: Tree, batch_size: int, last_batch: LastBatch) -> Tree:
    """The shapes of a batch as `pass_over` gives it to the step."""
    rows = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((batch_size, *leaf.shape[1:]), leaf.dtype), data)
    return (rows, jax.ShapeDtypeStruct((batch_size,), jnp.float32)) if last_batch == "pad" else rows


def _mean(values: Float[Array, " steps"], weights: Float[Array, " steps"]) -> Float[Array, ""]:
    return jnp.sum(values * weights) / jnp.sum(weights)
