"""How noisy a curve is, estimated from the curve itself."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

LAGS = (1, 2)
"""The distances at which a curve is bent. The second one sees noise that neighbouring steps share."""
FROM_MEDIAN = 1.0 / (0.6745 * 6.0**0.5)
"""From the median modulus of a second difference of normal noise to the noise: its variance is 1 + 4 + 1."""
ASSUMED = 0.01
"""The noise of a curve of one or two values, as a share of the first."""
TIED = 5
"""If one in so many neighbours are equal, a curve moves in quanta, such as the accuracy on a few hundred rows."""


class Noise(NamedTuple):
    """The standard deviation of a single value, and by how much a short curve may have missed it.

    Attributes:
      level: half a quantum at least, if the values move in quanta; `ASSUMED` if fewer than three are known.
      doubt: at least 1; what is told apart from noise must be so many times larger.
    """

    level: Float[Array, ""]
    doubt: Float[Array, ""]


def estimate(values: Float[Array, " steps"], count: Int[Array, ""]) -> Noise:
    """Read the noise from second differences in the later half, by their median.

    A smooth curve bends little between neighbours, so what bends is noise; the median passes over jumps. The earlier
    half is left out: there curves are steep, and the noise of most losses is larger.

    Args:
      values: the curve, its known values first.
      count: how many are known.
    """
    places = jnp.arange(values.size)
    spreads, nums = zip(*(_spread(values, count, lag) for lag in LAGS), strict=True)
    level = jnp.maximum(jnp.maximum(*spreads), _quantum(values, (places < count) & (places > count // 2)) / 2)
    num_bends = nums[0].astype(values.dtype)
    return Noise(
        level=jnp.where(num_bends > 0, level, ASSUMED * jnp.abs(values[0])),
        doubt=jnp.where(num_bends > 0, 1.0 + 2.0 / jnp.maximum(num_bends, 1.0), 1.0),
    )


def _spread(values: Float[Array, " steps"], count: Int[Array, ""], lag: int) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """From bends whose middle value is in the later half; and how many there are."""
    middles = jnp.arange(max(values.size - 2 * lag, 1)) + lag
    is_bend = (middles >= count // 2) & (middles + lag < count)
    padded = jnp.pad(values, (0, 2 * lag))
    first, middle, last = (padded[shift : shift + middles.size] for shift in (0, lag, 2 * lag))
    return FROM_MEDIAN * _median(jnp.abs(first - 2.0 * middle + last), is_bend), jnp.sum(is_bend)


def _quantum(values: Float[Array, " steps"], is_late: Bool[Array, " steps"]) -> Float[Array, ""]:
    """The smallest change between neighbours, if many others do not change at all; else 0."""
    changes = jnp.abs(jnp.diff(values, prepend=values[:1]))
    is_change = is_late & (changes > 0)
    num_pairs, num_changes = jnp.sum(is_late), jnp.sum(is_change)
    is_quantized = (num_changes > 0) & ((num_pairs - num_changes) * TIED >= num_pairs)
    return jnp.where(is_quantized, jnp.min(changes, where=is_change, initial=jnp.inf), 0.0)


def _median(values: Float[Array, " bends"], which: Bool[Array, " bends"]) -> Float[Array, ""]:
    """The median of those chosen; 0 if there are none."""
    ordered = jnp.sort(jnp.where(which, values, jnp.inf))
    count = jnp.sum(which)
    middle = (ordered[jnp.maximum(count - 1, 0) // 2] + ordered[count // 2]) / 2
    return jnp.where(count > 0, middle, 0.0)
