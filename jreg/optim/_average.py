"""Averages of the weights over a run: exponential (EMA, Polyak) and uniform (SWA) by one recurrence.

With n <- decay * n + 1 and average <- average + (w - average) / n, each w so far counts with decay^age: the average has
no bias at the start, and a decay of 1 makes it the plain mean.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int

from .._core import checks
from .._core.checks import Checks
from .._core.types import Mask, Number, Tree
from ._leafwise import increment
from ._precision import widened_copy
from ._tracked import tracked, whole


class AverageState(NamedTuple):
    """The number of updates made, the sum n of what each w counts, and the average, under its name."""

    count: Int[Array, ""]
    total: Float[Array, ""]
    weights: dict[str, Tree]

    @property
    def average(self) -> Tree:
        return next(iter(self.weights.values()))


def average_params(
    decay: Number | optax.Schedule,
    *,
    start: Number = 0,
    every: Number = 1,
    warmup: Number = 0,
    name: str = "average",
    mask: Mask = None,
) -> optax.GradientTransformation:
    """Keep a running mean of the weights in the optimizer's state; `averaged_params` reads it.

        n <- decay * n + 1,    average <- average + (w - average) / n

    Put it last in the chain: it averages the weights that the step reaches, and changes no update. Several averages in
    one chain need names of their own. Validate and ship the average; the running statistics of batch norm belong to
    other weights and must be measured again, by `norm.recalibrate`.

    Args:
      decay: share of the past that is kept, in [0, 1]; a number, traced or not, or a schedule of the step count. 0.999
        gives an exponential average of about the last thousand steps, 1 the mean of all steps. 0 restarts the average
        at this step.
      start: the first update that counts, counted from 0. Before it, the average is the weights themselves. With a
        decay of 1 this is SWA; `swa_schedule` is its learning rate.
      every: average after every so many updates, counted from `start`; between them nothing is read or written.
      warmup: the decay rises linearly from 0 to `decay` over so many updates, counted from `start`. A decay of 0.9999
        would otherwise remember the first weights for thousands of steps.
      name: what `averaged_params` calls this average.
      mask: which leaves or elements; None takes all. Leaves that it leaves out take no memory, and elements and
        integers are as the last step that was averaged left them.

    Raises:
      ValueError: a concrete decay outside [0, 1], start or warmup below 0 or every below 1 (traced ones give NaN), a
        mask that selects nothing, updates that do not have the structure and shapes of params, or no params.
      TypeError: a name that is no text.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(
    ...     optax.sgd(1.0), optim.average_params(1.0), optim.average_params(1.0, start=2, name="tail")
    ... )
    >>> w, state = jnp.zeros(1), optimizer.init(jnp.zeros(1))
    >>> for _ in range(4):
    ...     updates, state = optimizer.update(jnp.array([-1.0]), state, w)
    ...     w = w + updates
    >>> w.tolist(), [optim.averaged_params(state, name=name).tolist() for name in ("average", "tail")]
    ([4.0], [[2.5], [3.5]])

    Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; Izmailov et al., Averaging Weights
    Leads to Wider Optima and Better Generalization, UAI 2018.
    """
    check = Checks("average_params")
    if not callable(decay):
        check.valid_scalar("decay", decay, 0.0, 1.0)
    check.valid_scalar("warmup", warmup, 0.0, ends="[)")
    first, period = whole(check, "start", start, 0), whole(check, "every", every, 1)
    is_each = checks.is_known(every, 1.0)
    kept = tracked(check, name, mask)

    def init(params: Tree) -> AverageState:
        return AverageState(jnp.zeros((), jnp.int32), jnp.zeros(()), {name: widened_copy(kept.started(params))})

    def update(updates: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, AverageState]:
        choice, reached = kept.reached(updates, params)
        count = increment(state.count)
        share = check.scalar("decay", decay(state.count) if callable(decay) else decay, 0.0, 1.0)
        share = share * _ramp(check.scalar("warmup", warmup, 0.0, ends="[)"), state.count - first)
        share = jnp.where((first < 0) | (period < 0), jnp.nan, share)
        is_before, is_due = count <= first, (count - first) % jnp.abs(period) == 0
        total = jnp.where(is_before, 0.0, jnp.where(is_due, share * state.total + 1.0, state.total))
        way = jnp.where(is_before, 1.0, 1.0 / total)

        def move() -> Tree:
            return kept.moved(choice, state.average, widened_copy(reached), way)

        average = move() if is_each else lax.cond(is_before | is_due, move, lambda: state.average)
        return updates, AverageState(count, total, {name: average})

    return optax.GradientTransformation(init, update)


def _ramp(length: Float[Array, ""], steps: Int[Array, ""]) -> Float[Array, ""]:
    """0 to 1 over a number of steps; 1 throughout if there are none."""
    share = steps.astype(length.dtype) / jnp.where(length == 0.0, 1.0, length)
    return jnp.where(length == 0.0, 1.0, jnp.clip(share, 0.0, 1.0))
