"""The learning rate of stochastic weight averaging."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from .._core.checks import Checks
from .._core.types import Number


def swa_schedule(
    before: Number | optax.Schedule, high: Number, low: Number, *, start: int, cycle: int = 1, anneal: int = 0
) -> optax.Schedule:
    """Make the learning rate of SWA: any schedule first, then a constant or cyclic rate that keeps the weights moving.

        rate(i) = (1 - t) * high + t * low,    t = (i mod cycle + 1) / cycle,    i = step - start - anneal

    Before `start` it is `before(step)`; then a cosine leads from there to `high` over `anneal` steps. With equal rates
    and a cycle of 1 it is the constant rate of torch's `SWALR`. Average with
    `average_params(1.0, start=start + anneal, every=cycle)`: it takes the weights at the end of each cycle, where the
    rate is `low`.

    Args:
      before: the rate until `start`; a number, traced or not, or a schedule.
      high: the rate at the start of a cycle, at least 0; larger than the last rates of usual training.
      low: the rate at the end of a cycle, at least 0.
      start: the first step of SWA, at least 0; three quarters of the run are usual.
      cycle: the steps of one cycle, at least 1; 1 gives the constant rate `low`.
      anneal: the steps from the rate before to `high`, at least 0.

    Raises:
      ValueError: concrete rates below 0 (traced ones give NaN), or a number of steps that is too small.

    >>> from jreg import optim
    >>> rate = optim.swa_schedule(1.0, 0.5, 0.1, start=2, cycle=2)
    >>> [round(float(rate(step)), 2) for step in range(6)]
    [1.0, 1.0, 0.3, 0.1, 0.3, 0.1]

    Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018.
    """
    check = Checks("swa_schedule")
    rates = {"high": high, "low": low} | ({} if callable(before) else {"before": before})
    for argument, rate in rates.items():
        check.valid_scalar(argument, rate, 0.0, ends="[)")
    start, anneal = check.integer("start", start, 0, bits=31), check.integer("anneal", anneal, 0, bits=31)
    cycle = check.integer("cycle", cycle, bits=31)

    def first(step: Any) -> Float[Array, ""]:
        return check.scalar("before", before(step) if callable(before) else before, 0.0, ends="[)")

    def schedule(step: Any) -> Float[Array, ""]:
        top, bottom = check.scalar("high", high, 0.0, ends="[)"), check.scalar("low", low, 0.0, ends="[)")
        since = jnp.asarray(step) - start
        way = (1.0 - jnp.cos(jnp.pi * since.astype(top.dtype) / max(anneal, 1))) / 2.0
        t = ((since - anneal) % cycle + 1).astype(top.dtype) / cycle
        annealed, cyclic = first(start) * (1.0 - way) + top * way, (1.0 - t) * top + t * bottom
        return jnp.where(since < 0, first(step), jnp.where(since < anneal, annealed, cyclic))

    return schedule
