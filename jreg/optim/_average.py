"""Averages of the weights over a run: exponential (EMA, Polyak) and uniform (SWA) by one recurrence.

With n <- decay * n + 1 and average <- average + (w - average) / n, each w so far counts with decay^age: the average has
no bias at the start, and a decay of 1 makes it the plain mean.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from .._core import trees
from .._core.checks import Checks
from .._core.types import Number, Tree
from ._leafwise import increment, required
from ._precision import widened_copy


class AverageState(NamedTuple):
    """The number of updates made, the sum n of what each w counts, and the average, in float32 or wider."""

    count: Int[Array, ""]
    total: Float[Array, ""]
    average: Tree


def average_params(decay: Number | optax.Schedule) -> optax.GradientTransformation:
    """Keep a running mean of the weights in the optimizer's state; `averaged_params` reads it.

        n <- decay * n + 1,    average <- average + (w - average) / n

    Put it last in the chain: it averages the weights that the step reaches, and changes no update. Validate and ship
    the average; the running statistics of batch norm belong to other weights and must be measured again.

    Args:
      decay: share of the past that is kept, in [0, 1]; a number, traced or not, or a schedule of the step count. 0.999
        gives an exponential average of about the last thousand steps, 1 the mean of all steps. 0 restarts the average
        at this step, so `lambda step: 1.0 * (step > start)` averages from `start` on (SWA).

    Raises:
      ValueError: a concrete decay outside [0, 1] (a traced one gives NaN), updates that do not have the structure and
        shapes of params, or no params.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(1.0), optim.average_params(1.0))
    >>> w, state = jnp.zeros(1), optimizer.init(jnp.zeros(1))
    >>> for _ in range(3):
    ...     updates, state = optimizer.update(jnp.array([-1.0]), state, w)
    ...     w = w + updates
    >>> w.tolist(), optim.averaged_params(state).tolist()
    ([3.0], [2.0])

    Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; Izmailov et al., Averaging Weights
    Leads to Wider Optima and Better Generalization, UAI 2018.
    """
    check = Checks("average_params")
    if not callable(decay):
        check.valid_scalar("decay", decay, 0.0, 1.0)

    def init(params: Tree) -> AverageState:
        return AverageState(jnp.zeros((), jnp.int32), jnp.zeros(()), widened_copy(params))

    def update(updates: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, AverageState]:
        trees.same_structure(check, "updates", updates, required(check, params))
        share = check.scalar("decay", decay(state.count) if callable(decay) else decay, 0.0, 1.0)
        total = share * state.total + 1.0
        # Updates of 16-bit weights may be float32.
        with jax.numpy_dtype_promotion("standard"):
            reached = widened_copy(optax.apply_updates(cast(Any, params), updates))
        average = jax.tree.map(lambda old, new: _moved(old, new, total), state.average, reached)
        return updates, AverageState(increment(state.count), total, average)

    return optax.GradientTransformation(init, update)


def averaged_params(opt_state: Any) -> Tree:
    """Return the mean that `average_params` keeps, wherever it is in a chained, wrapped or masked state.

    Before the first update it is the initial weights. It is float32 or wider: cast 16-bit models back with
    `optax.tree.cast_like`.

    Args:
      opt_state: the state of the optimizer.

    Raises:
      ValueError: no such state, or more than one.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1), optim.average_params(0.999))
    >>> optim.averaged_params(optimizer.init(jnp.ones(2))).tolist()
    [1.0, 1.0]
    """
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, AverageState))
    found = [node for node in leaves if isinstance(node, AverageState)]
    if len(found) != 1:
        raise ValueError(f"averaged_params: opt_state must hold the state of one average_params; it holds {len(found)}")
    return found[0].average


def _moved(average: Array, reached: Array, total: Array) -> Array:
    if not jnp.issubdtype(average.dtype, jnp.inexact):
        return reached
    return average + (reached - average) / total.astype(average.dtype)
