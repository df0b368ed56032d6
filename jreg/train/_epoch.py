"""An epoch over data on the device: the order of its rows, and the steps through them."""

from __future__ import annotations

from math import gcd
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from .._core import keys
from .._core.placement import rows_of, settled
from .._core.types import Key, Tree
from ..random import fold_in, split, split_array
from ._order import shuffled
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
    """Step through the rows of `data` in `order`; return the state and the mean of each metric.

    The rows that fill no batch are dropped, kept or padded.
    """
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


def order_across_passes(
    key: Key, epoch: Int[Array, ""], size: int, batch_size: int, steps_per_epoch: int
) -> Int[Array, " rows"]:
    """The rows of the next so many batches of pass after pass; an epoch that is one pass has the order of `fit`."""

    def order_of_pass(number: Int[Array, ""]) -> Int[Array, " examples"]:
        order_key, _ = split(fold_in(key, number))
        return shuffled(order_key, size)

    steps_per_pass = size // batch_size
    first_pass, first_step = jnp.divmod(epoch * steps_per_epoch, steps_per_pass)
    # Within a pass an epoch begins at a multiple of this.
    stride = gcd(steps_per_epoch, steps_per_pass)
    num_passes = -(-(steps_per_pass - stride + steps_per_epoch) // steps_per_pass)
    orders = jax.vmap(order_of_pass)(first_pass + jnp.arange(num_passes))[:, : steps_per_pass * batch_size]
    return lax.dynamic_slice_in_dim(orders.ravel(), first_step * batch_size, steps_per_epoch * batch_size)


def batch_like(data: Tree, batch_size: int, last_batch: LastBatch) -> Tree:
    """The shapes of a batch as `pass_over` gives it to the step."""
    rows = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((batch_size, *leaf.shape[1:]), leaf.dtype), data)
    return (rows, jax.ShapeDtypeStruct((batch_size,), jnp.float32)) if last_batch == "pad" else rows


def _mean(values: Float[Array, " steps"], weights: Float[Array, " steps"]) -> Float[Array, ""]:
    return jnp.sum(values * weights) / jnp.sum(weights)
