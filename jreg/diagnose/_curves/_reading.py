"""One run as the rules read it: smoothed curves with a value at every step, their noise, their start and end."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from . import _noise
from ._noise import Noise

WINDOW = 16
"""A run of n known steps is smoothed over n // 16 steps to either side: fewer than 16 are taken as they are."""
LARGEST = 1e30
"""Sums stay finite where a run that diverges does not."""


class Reading(NamedTuple):
    """One run, lower is better.

    Attributes:
      train, valid: the smoothed curves; a step without values repeats the one before it.
      train_noise, valid_noise: of the curves as they are.
      start: the worse of the first two values.
      gain: by how much validation is better in the last quarter of the steps than in the quarter before.
      num_end, num_inside, num_quarter: how many values a smoothed one at the end, one inside, and a quarter average.
      num_steps: how many steps are known.
      first_step, last_step: the first and the last of them; of no step, 0.
      best_step: the step of the best validation value; -1 if no value is a number.
      best_value, gap_at_best: validation there, and by how much training is better.
      is_finite: whether the last values that are numbers are finite.
    """

    train: Float[Array, " steps"]
    valid: Float[Array, " steps"]
    train_noise: Noise
    valid_noise: Noise
    start: Float[Array, ""]
    gain: Float[Array, ""]
    num_end: Float[Array, ""]
    num_inside: Float[Array, ""]
    num_quarter: Float[Array, ""]
    num_steps: Int[Array, ""]
    first_step: Int[Array, ""]
    last_step: Int[Array, ""]
    best_step: Int[Array, ""]
    best_value: Float[Array, ""]
    gap_at_best: Float[Array, ""]
    is_finite: Bool[Array, ""]


def read(train: Float[Array, " steps"], valid: Float[Array, " steps"]) -> Reading:
    """Pass over steps where a value is missing, measure the noise, and smooth."""
    is_number = ~(jnp.isnan(train) | jnp.isnan(valid))
    is_known = jnp.isfinite(train) & jnp.isfinite(valid)
    count = jnp.sum(is_known)
    order = jnp.argsort(~is_known, stable=True)
    both = jnp.clip(jnp.where(is_known, jnp.stack([train, valid]), 0.0), -LARGEST, LARGEST)[:, order]
    noise = jax.vmap(_noise.estimate, in_axes=(0, None))(both, count)
    reach = count // WINDOW
    place = jnp.maximum(jnp.cumsum(is_known) - 1, 0)
    smooth = jax.vmap(_smoothed, in_axes=(0, None, None))(both, count, reach)[:, place]
    quarters = jnp.stack([count // 2, (3 * count) // 4, count])
    third, fourth = _means(both[1], count, quarters[:-1], quarters[1:])
    best = jnp.argmin(jnp.where(is_number, valid, jnp.inf))
    best = jnp.where(is_number[best], best, jnp.argmax(is_number))
    return Reading(
        train=smooth[0],
        valid=smooth[1],
        train_noise=Noise(*(field[0] for field in noise)),
        valid_noise=Noise(*(field[1] for field in noise)),
        start=jnp.max(both[:, 0]),
        gain=third - fourth,
        num_end=(reach + 1).astype(train.dtype),
        num_inside=(2 * reach + 1).astype(train.dtype),
        num_quarter=jnp.maximum(quarters[1] - quarters[0], 1).astype(train.dtype),
        num_steps=count,
        first_step=jnp.argmax(is_known),
        last_step=_last(is_known),
        best_step=jnp.where(jnp.any(is_number), best, -1),
        best_value=valid[best],
        gap_at_best=valid[best] - train[best],
        is_finite=is_known[_last(is_number)],
    )


def _last(which: Bool[Array, " steps"]) -> Int[Array, ""]:
    return which.size - 1 - jnp.argmax(which[::-1])


def _smoothed(curve: Float[Array, " steps"], count: Int[Array, ""], reach: Int[Array, ""]) -> Float[Array, " steps"]:
    """A mean over `reach` steps to either side, of medians of three, which pass over a single spike."""
    places = jnp.arange(curve.size)
    is_inside = (places > 0) & (places < count - 1) & (reach > 0)
    before, after = jnp.concatenate([curve[:1], curve[:-1]]), jnp.concatenate([curve[1:], curve[-1:]])
    low, high = jnp.minimum(before, after), jnp.maximum(before, after)
    despiked = jnp.where(is_inside, jnp.clip(curve, low, high), curve)
    return _means(despiked, count, jnp.maximum(places - reach, 0), jnp.minimum(places + reach + 1, count))


def _means(
    curve: Float[Array, " steps"], count: Int[Array, ""], starts: Int[Array, " n"], stops: Int[Array, " n"]
) -> Float[Array, " n"]:
    """Means of slices, from running sums of what the values differ from the first one, which keeps their digits."""
    offsets = jnp.where(jnp.arange(curve.size) < count, curve - curve[0], 0.0)
    running = jnp.concatenate([jnp.zeros(1, curve.dtype), jnp.cumsum(offsets)])
    return curve[0] + (running[stops] - running[starts]) / jnp.maximum(stops - starts, 1).astype(curve.dtype)
