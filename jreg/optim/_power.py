"""Averages whose profile is a power of time: their width is a share of the run, and any width can be had afterwards."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from .._core.checks import Checks
from .._core.types import Mask, Number, Tree
from ._leafwise import increment
from ._precision import widened_copy
from ._tracked import tracked

WIDEST = 12.0**-0.5
"""The width of the plain mean, whose profile is flat."""


class PowerState(NamedTuple):
    """The number of updates made, the width (NaN if it changed on the way), and the average, under its name."""

    count: Int[Array, ""]
    sigma_rel: Float[Array, ""]
    weights: dict[str, Tree]

    @property
    def average(self) -> Tree:
        return next(iter(self.weights.values()))


class Snapshot(NamedTuple):
    """A power-function average at one moment of a run, for `synthesize_average`.

    Attributes:
      step: the number of updates made.
      sigma_rel: the width of the average.
      params: the average.
    """

    step: Int[Array, ""] | int
    sigma_rel: Float[Array, ""] | float
    params: Tree


def power_average(sigma_rel: Number, *, name: str = "average", mask: Mask = None) -> optax.GradientTransformation:
    """Keep an average in which the weights of step i count as i**g, so that its width grows with the run.

        average <- b * average + (1 - b) * w,    b = (1 - 1 / t)**(g + 1),    t = 1, 2, ...

    An exponential average spans a fixed number of steps; this one spans a fixed share of the run, whatever its length,
    and the first weights are forgotten of themselves. Its width sigma_rel is the standard deviation of the profile over
    the length of the run, and g follows from it: sigma_rel**2 = (g + 1) / ((g + 2)**2 * (g + 3)).

    Put it last in the chain; `averaged_params` reads it. Track two, of 0.05 and 0.1, keep `take_snapshots` of them now
    and then, and `synthesize_average` gives the average of any width after the run. The running statistics of batch
    norm belong to other weights: `norm.recalibrate` measures them again.

    Args:
      sigma_rel: in (0, 12**-0.5]; traced or not. 0.05 to 0.15 is usual, and 12**-0.5 = 0.2887 gives the plain mean.
      name: what `averaged_params` calls this average.
      mask: which leaves or elements; None takes all. Leaves that it leaves out take no memory.

    Raises:
      ValueError: a concrete sigma_rel outside (0, 12**-0.5] (a traced one gives NaN), a mask that selects nothing,
        updates that do not have the structure and shapes of params, or no params.
      TypeError: a name that is no text.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(1.0), optim.power_average(0.1))
    >>> w, state = jnp.zeros(1), optimizer.init(jnp.zeros(1))
    >>> for _ in range(100):
    ...     updates, state = optimizer.update(jnp.array([-1.0]), state, w)
    ...     w = w + updates
    >>> f"{optim.averaged_params(state)[0]:.1f}"
    '89.3'

    Karras et al., Analyzing and Improving the Training Dynamics of Diffusion Models, CVPR 2024, section 3.1.
    """
    check = Checks("power_average")
    check.valid_scalar("sigma_rel", sigma_rel, 0.0, WIDEST, ends="(]")
    kept = tracked(check, name, mask)

    def width() -> Float[Array, ""]:
        return check.scalar("sigma_rel", sigma_rel, 0.0, WIDEST, ends="(]")

    def init(params: Tree) -> PowerState:
        return PowerState(jnp.zeros((), jnp.int32), width(), {name: widened_copy(kept.started(params))})

    def update(updates: Tree, state: Any, params: Tree | None = None) -> tuple[Tree, PowerState]:
        choice, reached = kept.reached(updates, params)
        count, sigma = increment(state.count), width()
        same = (state.count == 0) | (state.sigma_rel == sigma)
        average = kept.moved(choice, state.average, widened_copy(reached), _share(sigma, count))
        return updates, PowerState(count, jnp.where(same, sigma, jnp.nan), {name: average})

    return optax.GradientTransformation(init, update)


def take_snapshots(opt_state: Any) -> tuple[Snapshot, ...]:
    """Take the power-function averages out of an optimizer's state, with their widths and the number of updates.

    Keep them as any pytree: in a list, or in a folder of their own through `train.Checkpoints`.

    Args:
      opt_state: the state of the optimizer.

    Raises:
      ValueError: no `power_average` in the state.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> optimizer = optax.chain(optax.sgd(0.1), optim.power_average(0.1))
    >>> w = jnp.ones(1)
    >>> _, state = optimizer.update(jnp.ones(1), optimizer.init(w), w)
    >>> [(int(step), round(float(width), 3), average.tolist()) for step, width, average in optim.take_snapshots(state)]
    [(1, 0.1, [0.8999999761581421])]
    """
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, PowerState))
    found = [node for node in leaves if isinstance(node, PowerState)]
    if not found:
        raise ValueError("take_snapshots: opt_state must hold the state of a power_average; it holds none")
    return tuple(Snapshot(node.count, node.sigma_rel, node.average) for node in found)


def order_of(sigma_rel: Any) -> Any:
    """The order g + 1 of a profile of this width, traced or not.

    It is the largest root x of (x + 1)**2 * (x + 2) = x / sigma_rel**2. Newton's steps from the right reach it without
    passing it, as the difference is convex there.
    """
    square = sigma_rel**-2.0
    x = square**0.5
    for _ in range(8):
        slope = 2.0 * (x + 1.0) * (x + 2.0) + (x + 1.0) ** 2 - square
        x = x - ((x + 1.0) ** 2 * (x + 2.0) - square * x) / slope
    return x


def _share(sigma_rel: Float[Array, ""], count: Int[Array, ""]) -> Float[Array, ""]:
    """1 - b, the part of the newest weights: all at the first step. Rounding would spoil 1 - 1 / t at a large t."""
    time = jnp.maximum(count, 2).astype(sigma_rel.dtype)
    later = -jnp.expm1(order_of(sigma_rel) * jnp.log1p(-1.0 / time))
    return jnp.where(jnp.isnan(sigma_rel), jnp.nan, jnp.where(count > 1, later, jnp.ones_like(later)))
