"""Temperature scaling: one number that makes the confidence of a trained network right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Integer

from .._core.checks import Checks
from .._core.ids import class_ids
from ._probabilities import counted_rows, label_array, mean_over, wide

MAX_STEPS = 50
FARTHEST = 20.0
"""How far from its start the logarithm of the temperature may go, so that nothing overflows."""


def temperature_scale(
    logits: Float[Array, "*batch classes"],
    labels: Integer[Array, "*batch"] | Bool[Array, "*batch"],
    *,
    where: Bool[Array, "*batch"] | None = None,
) -> Float[Array, ""]:
    """Find the temperature T that makes the validation labels most likely under `softmax(logits / T)`.

        T = argmin mean_i -log softmax(z_i / T)_(y_i)

    Divide the logits of new data by T: no prediction changes, only its probability. A T above 1 says that the network
    was over-confident. Fit it on rows that were not trained on. The likelihood has one maximum; optax's L-BFGS finds
    the logarithm of T. If every label has the largest logit there is no maximum: T comes out small and says nothing. If
    the logits are worse than none, it comes out large.

    Args:
      logits: z (*batch, classes), two classes or more; no gradient reaches them. A class with logit -inf is impossible.
      labels: y, class ids (*batch). Beside one logit z of class 1, such as a sigmoid takes, stack a zero:
        `jnp.stack([jnp.zeros_like(z), z], axis=-1)`.
      where: which rows count; if none does, the result is NaN.

    Raises:
      ValueError: concrete class ids outside [0, classes) (traced ones give NaN), or shapes that do not fit.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import diagnose
    >>> logits = jnp.log(jnp.array([[0.8, 0.2]] * 5))
    >>> labels = jnp.array([0, 0, 0, 0, 1])
    >>> f"{diagnose.temperature_scale(3.0 * logits, labels):.3f}"
    '3.000'

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    check = Checks("temperature_scale")
    z = lax.stop_gradient(check.floating("logits", logits))
    labels = label_array(check, labels)
    if labels.shape != z.shape[:-1] or z.shape[-1:] < (2,):
        raise ValueError(
            f"{check}: labels must be class ids, of shape {z.shape[:-1]} for logits of shape {z.shape}, which have two "
            f"classes or more on the last axis; got {labels.shape}"
        )
    rows = counted_rows(check, where, labels.shape)
    return _fitted(wide(z), class_ids(check, "labels", labels, z.shape[-1], rows), rows)


@partial(jax.jit, inline=True)
def _fitted(z: Float[Array, "*batch classes"], ids: Array, rows: Bool[Array, "*batch"]) -> Float[Array, ""]:
    z, ids = jnp.where(rows[..., None], z, 0.0), jnp.where(rows, ids, 0)
    label_logit = jnp.take_along_axis(z, jnp.maximum(ids, 0)[..., None], axis=-1)
    margins = z - jnp.where(ids[..., None] < 0, jnp.nan, label_logit)
    is_possible = margins != -jnp.inf
    margins = jnp.where(is_possible, margins, 0.0)
    # With the mean margin as the unit of T, the search takes the same steps for logits of any size.
    unit = mean_over(jnp.max(jnp.abs(margins), axis=-1), rows)
    unit = jnp.where(unit == 0.0, 1.0, unit)

    def loss(log_temperature: Array) -> Array:
        scaled = margins * (jnp.exp(-log_temperature) / unit)
        return mean_over(jax.nn.logsumexp(scaled, axis=-1, where=is_possible), rows)

    return unit * jnp.exp(_minimum(loss, jnp.zeros((), z.dtype)))


def _minimum(loss: Callable[[Array], Array], start: Float[Array, ""]) -> Float[Array, ""]:
    """Where the loss has a slope of zero, as far as its dtype can tell, and not farther than FARTHEST from 0."""
    optimizer = optax.lbfgs()
    flat = 16.0 * float(jnp.finfo(start.dtype).eps)

    def within(at: Array) -> Array:
        return loss(jnp.clip(at, -FARTHEST, FARTHEST))

    def step(carry: Any) -> Any:
        at, state, _, num = carry
        value, slope = jax.value_and_grad(within)(at)
        update, state = optimizer.update(slope, state, at, value=value, grad=slope, value_fn=within)
        return optax.apply_updates(at, update), state, slope, num + 1

    # optax relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        carry = start, optimizer.init(start), jnp.full_like(start, jnp.inf), jnp.zeros((), jnp.int32)
        at, *_ = lax.while_loop(lambda carry: (jnp.abs(carry[2]) > flat) & (carry[3] < MAX_STEPS), step, carry)
    return jnp.clip(at, -FARTHEST, FARTHEST)
