"""Proper scores of predicted probabilities: calibration and sharpness in one number."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from .._core.checks import Checks
from ._probabilities import Judged, judged, mean_over


def brier_score(
    probs: Float[Array, "..."],
    labels: Integer[Array, "*batch"] | Bool[Array, "*batch"],
    *,
    where: Bool[Array, "*batch"] | None = None,
) -> Float[Array, ""]:
    """Average the squared distance of the probabilities from the truth, as scikit-learn does; lower is better.

        score = mean_i sum_k (p_ik - [k = y_i])^2,   in [0, 2];   of a probability of class 1: mean_i (p_i - y_i)^2

    Args:
      probs: p (*batch, classes), or (examples,) as the probability of class 1.
      labels: y, class ids (*batch), in (examples,) also bools.
      where: which rows count; if none does, the result is NaN.

    Raises:
      ValueError: concrete rows that do not sum to 1, such as logits, or class ids outside [0, classes) (traced ones
        give NaN), or shapes that do not fit.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> f"{diagnose.brier_score(jnp.array([[0.8, 0.2], [0.5, 0.5]]), jnp.array([0, 1])):.2f}"
    '0.29'

    Brier, Verification of Forecasts Expressed in Terms of Probability, Monthly Weather Review 1950.
    """
    given, is_binary = judged(Checks("brier_score"), probs, labels, where)
    return _squared(given) * (0.5 if is_binary else 1.0)


def negative_log_likelihood(
    probs: Float[Array, "..."],
    labels: Integer[Array, "*batch"] | Bool[Array, "*batch"],
    *,
    where: Bool[Array, "*batch"] | None = None,
) -> Float[Array, ""]:
    """Average the negative log-probability of the labels, in nats, of probabilities such as `mc_predict`'s mean.

        score = -mean_i log p_(i, y_i)

    A label of probability zero makes it infinite. Of logits take the cross-entropy: it is exact where this underflows.

    Args:
      probs: p (*batch, classes), or (examples,) as the probability of class 1.
      labels: y, class ids (*batch), in (examples,) also bools.
      where: which rows count; if none does, the result is NaN.

    Raises:
      ValueError: concrete rows that do not sum to 1, such as logits, or class ids outside [0, classes) (traced ones
        give NaN), or shapes that do not fit.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> f"{diagnose.negative_log_likelihood(jnp.array([[0.8, 0.2], [0.5, 0.5]]), jnp.array([0, 1])):.4f}"
    '0.4581'
    """
    given, _ = judged(Checks("negative_log_likelihood"), probs, labels, where)
    return _logarithmic(given)


@partial(jax.jit, inline=True)
def _squared(given: Judged) -> Float[Array, ""]:
    return mean_over(jnp.sum(jnp.square(given.probs - given.is_label.astype(given.probs.dtype)), axis=-1), given.rows)


@partial(jax.jit, inline=True)
def _logarithmic(given: Judged) -> Float[Array, ""]:
    return mean_over(-jnp.log(jnp.sum(jnp.where(given.is_label, given.probs, 0.0), axis=-1)), given.rows)
