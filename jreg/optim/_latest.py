"""The mean of the last few snapshots of the weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Int

from .._core import checks, dtypes
from .._core.checks import Checks
from .._core.types import Mask, Number, Tree
from ._leafwise import increment
from ._tracked import tracked, whole


class LatestState(NamedTuple):
    """The number of updates made, that of snapshots taken, and the last of these on a first axis, under a name."""

    count: Int[Array, ""]
    num_taken: Int[Array, ""]
    weights: dict[str, Tree]

    @property
    def average(self) -> Tree:
        """The mean of the snapshots so far; of the state of many lanes, that of each lane."""
        mean = _mean_of_taken
        for _ in range(jnp.ndim(self.num_taken)):
            mean = jax.vmap(mean)
        return mean(self.num_taken, next(iter(self.weights.values())))


def latest_average(
    num: int, *, every: Number = 1, name: str = "average", mask: Mask = None
) -> optax.GradientTransformation:
    """Keep the last `num` snapshots of the weights; `averaged_params` gives their mean.

    Put it last in the chain. It follows a moving optimum without the long tail of an exponential average, for the
    memory of `num` copies of the weights, in their own dtype. With a constant learning rate, the mean is about what
    a linear decay of the rate to 0 over the same steps would reach. The running statistics of batch norm belong to
    other weights: `norm.recalibrate` measures them again.

    Args:
      num: how many snapshots the mean is of, at least 1; until there are as many, it is of those so far.
      every: take one after every so many updates, at least 1; an epoch is usual.
      name: what `averaged_params` calls this average.
      mask: which leaves or elements; None takes all. Leaves that it leaves out take no memory.

    Raises:
      ValueError: num or a concrete every below 1 (a traced one gives NaN), a mask that selects nothing, updates that do
        not have the structure and shapes of params, or no params.
      TypeError: a name that is no text.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(1.0), optim.latest_average(2, every=3))
    >>> w, state = jnp.zeros(1), optimizer.init(jnp.zeros(1))
    >>> for _ in range(10):
    ...     updates, state = optimizer.update(jnp.array([-1.0]), state, w)
    ...     w = w + updates
    >>> w.tolist(), optim.averaged_params(state).tolist()
    ([10.0], [7.5])

    Kaddour, Stop Wasting My Time! Saving Days of ImageNet and BERT Training with Latest Weight Averaging, 2022.
    """
    check = Checks("latest_average")
    num = check.integer("num", num)
    period = whole(check, "every", every, 1)
    kept = tracked(check, name, mask)

    def init(params: Tree) -> LatestState:
        # Two zeros, since no buffer can be donated twice.
        return LatestState(
            jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), {name: jax.tree.map(copies, kept.started(params))}
        )

    def copies(leaf: Any) -> Array:
        leaf = jnp.asarray(leaf)
        shape = (num, *leaf.shape) if _is_averaged(leaf) else leaf.shape
        return jnp.array(jnp.broadcast_to(leaf, shape), copy=True)

    def update(updates: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, LatestState]:
        choice, reached = kept.reached(updates, params)
        count = increment(state.count)
        is_due = count % jnp.abs(period) == 0
        place = state.num_taken % num
        snapshots = next(iter(state.weights.values()))

        def write(is_taken: Any, old: Array, new: Array) -> Array:
            if not _is_averaged(old):
                return new
            new = jnp.where(period < 0, jnp.nan, new).astype(old.dtype)
            written = lax.dynamic_update_index_in_dim(old, new, place, 0)
            return written if is_taken is True else jax.vmap(lambda row: kept.where(is_taken, row, new))(written)

        def take() -> Tree:
            return jax.tree.map(write, choice, snapshots, reached)

        snapshots = take() if checks.is_known(every, 1.0) else lax.cond(is_due, take, lambda: snapshots)
        return updates, LatestState(count, state.num_taken + is_due.astype(jnp.int32), {name: snapshots})

    return optax.GradientTransformation(init, update)


def _is_averaged(leaf: Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.inexact)


def _mean_of_taken(num_taken: Int[Array, ""], snapshots: Tree) -> Tree:
    def mean(leaf: Array) -> Array:
        if not _is_averaged(leaf):
            return leaf
        wide, filled = leaf.astype(dtypes.widened(leaf.dtype)), jnp.clip(num_taken, 1, len(leaf))
        is_filled = jnp.arange(len(leaf), dtype=filled.dtype) < filled
        shown = jax.vmap(lambda row, is_row: jnp.where(is_row, row, 0.0))(wide, is_filled)
        return jnp.sum(shown, axis=0) / filled.astype(wide.dtype)

    return jax.tree.map(mean, snapshots)
