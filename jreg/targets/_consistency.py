"""Consistency: two noisy passes over one batch should agree."""

from __future__ import annotations

from jaxtyping import Array, Bool, Float

from .._core.checks import Checks
from ._rows import counted, divergence, log_probabilities, logit_rows, mean, same_shape, shielded


def consistency(
    logits: Float[Array, "..."],
    other_logits: Float[Array, "..."],
    *,
    where: Bool[Array, "..."] | None = None,
    axis: int = -1,
) -> Float[Array, ""]:
    """Average the symmetric divergence between two outputs for the same examples, as in R-Drop.

        penalty = mean_i (KL(p_i || q_i) + KL(q_i || p_i)) / 2,   p, q = softmax(logits), softmax(other_logits)

    Run the model twice, with two dropout keys. Two conventions are in use; relative to the cross-entropy, the same
    alpha weighs twice as much in the second:

        paper:      cross_entropy + other_cross_entropy + alpha * penalty
        its README: (cross_entropy + other_cross_entropy) / 2 + alpha * penalty

    The gradient reaches both passes. For a one-sided divergence towards a fixed target, as in VAT and UDA, use
    `distillation` at temperature 1.

    Args:
      logits, other_logits: of the same shape. 16-bit logits are reduced in float32. A class that is impossible (-inf)
        in both counts 0.
      where: which rows count; the others change neither value nor gradient. If none counts, the result is 0.
      axis: the class axis of logits.

    Raises:
      ValueError: shapes that differ, or fewer than two classes.

    >>> import jax.numpy as jnp
    >>> from jreg import targets
    >>> f"{targets.consistency(jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 1.0]])):.4f}"
    '0.4621'

    Wu et al., R-Drop: Regularized Dropout for Neural Networks, NeurIPS 2021.
    """
    check = Checks("consistency")
    same_shape(check, "other_logits", other_logits, logits)
    first = logit_rows(check, "logits", logits, axis)
    other = logit_rows(check, "other_logits", other_logits, axis).astype(first.dtype)
    rows = counted(check, where, first.shape[:-1])
    log_p = log_probabilities(shielded(check.reads(first), rows))
    log_q = log_probabilities(shielded(other, rows))
    return check.returns(mean(0.5 * (divergence(log_p, log_q) + divergence(log_q, log_p)), rows))
