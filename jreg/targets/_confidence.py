"""A penalty on confident outputs."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._core.checks import Checks
from ._rows import counted, log_probabilities, logit_rows, mean, shielded


def confidence_penalty(
    logits: Float[Array, "..."], *, where: Bool[Array, "..."] | None = None, axis: int = -1
) -> Float[Array, ""]:
    """Compute the mean negative entropy of the outputs, in nats.

        penalty = mean_i sum_k p_ik log p_ik,   p = softmax(logits)

    Write `loss + beta * penalty`; beta 0.1 is usual. The penalty is KL(p || uniform) - log K, in [-log K, 0]; label
    smoothing is the reverse divergence, KL(uniform || p).

    Args:
      logits: one row per example. 16-bit logits are reduced in float32; a class with logit -inf counts 0.
      where: which rows count; the others change neither value nor gradient. If none counts, the result is 0.
      axis: the class axis of logits.

    Raises:
      ValueError: fewer than two classes, or a `where` of another shape.

    >>> import jax.numpy as jnp
    >>> from jreg import targets
    >>> f"{targets.confidence_penalty(jnp.zeros((3, 4))):.4f}"
    '-1.3863'

    Pereyra et al., Regularizing Neural Networks by Penalizing Confident Output Distributions, ICLR 2017 workshop.
    """
    check = Checks("confidence_penalty")
    z = logit_rows(check, "logits", logits, axis)
    rows = counted(check, where, z.shape[:-1])
    log_p = log_probabilities(shielded(check.reads(z), rows))
    is_impossible = log_p == -jnp.inf
    finite = jnp.where(is_impossible, 0.0, log_p)
    entropies = jnp.sum(jnp.where(is_impossible, 0.0, -jnp.exp(finite) * finite), axis=-1)
    return check.returns(mean(-entropies, rows))
