"""Cross-entropy against smoothed labels, in closed form."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

from .._core.checks import Checks
from .._core.ids import class_ids
from .._core.placement import looked_up
from .._core.types import Number
from ._ids import pick
from ._rows import array, classes_last, counted, logit_rows, shielded, times, weighted_mean


def smoothed_cross_entropy(
    logits: Float[Array, "..."],
    labels: Num[Array, "..."],
    smoothing: Number,
    *,
    where: Bool[Array, "..."] | None = None,
    class_weights: Float[Array, " classes"] | None = None,
    axis: int = -1,
) -> Float[Array, ""]:
    """Average the cross-entropy against smoothed labels, without making a (batch, classes) array of targets.

        loss = log sum_k exp z_k - (1 - smoothing) sum_k p_k z_k - smoothing / K sum_k z_k

    Use it for training and plain cross-entropy (smoothing 0) for validation; do not smooth the labels as well. With
    class weights w the rows and their mean are

        loss_i = sum_k w_k ((1 - smoothing) p_ik + smoothing / K) (-log softmax(z_i)_k)
        loss   = sum_i loss_i / sum_i sum_k w_k p_ik

    This is torch's rule for class ids, and applies to distributions too: each row counts with the weight of its
    unsmoothed label, and the weights also enter the smoothed share.

    Args:
      logits: z, one row per example. 16-bit logits are reduced in float32. A logit of -inf marks an impossible class;
        it counts 0 where its target is zero, and makes the loss infinite elsewhere.
      labels: class ids (*batch), or distributions p of logits' shape, used as given.
      smoothing: in [0, 1].
      where: which rows count; the mean is over these. The others change neither value nor gradient. If none counts, the
        result is 0.
      class_weights: w, one per class and at least 0; None weighs all classes alike. If all labels weigh 0, the result
        is 0.
      axis: the class axis of logits, and of labels that are distributions.

    Raises:
      ValueError: a concrete smoothing outside [0, 1], class id outside [0, K) in a row that counts, or weight below 0
        (traced ones give NaN), or shapes that do not fit: nothing is broadcast.

    >>> import jax.numpy as jnp
    >>> from jreg import targets
    >>> f"{targets.smoothed_cross_entropy(jnp.array([2.0, 1.0, 0.1]), jnp.array(0), 0.1):.5f}"
    '0.51370'

    Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
    """
    check = Checks("smoothed_cross_entropy")
    smoothing = check.scalar("smoothing", smoothing, 0.0, 1.0)
    z = logit_rows(check, "logits", logits, axis)
    labels = array(check, "labels", labels)
    is_ids = jnp.issubdtype(labels.dtype, jnp.integer)
    expected = z.shape[:-1] if is_ids else logits.shape
    if labels.shape != expected:
        raise ValueError(
            f"{check}: labels must have shape {expected} as {labels.dtype} for logits {logits.shape}; "
            f"got {labels.shape}"
        )
    rows = counted(check, where, z.shape[:-1])
    z = shielded(check.reads(z), rows)
    smoothing, weights = smoothing.astype(z.dtype), _weights(check, class_weights, z)
    if is_ids:
        ids = jnp.where(rows, class_ids(check, "labels", labels, z.shape[-1], rows), 0)
        label_weight = jnp.where(ids < 0, jnp.nan, looked_up(weights.ravel(), ids))
        on_label = times((1.0 - smoothing) * label_weight, pick(z, ids))
    else:
        p = classes_last(check, "labels", labels, axis).astype(z.dtype) * weights
        label_weight = jnp.sum(p, axis=-1)
        on_label = jnp.sum(times((1.0 - smoothing) * p, z), axis=-1)
    on_all = jnp.sum(z if class_weights is None else times(weights, z), axis=-1)
    share = label_weight + smoothing * (jnp.mean(weights) - label_weight)
    losses = share * jax.nn.logsumexp(z, axis=-1) - on_label - times(smoothing / z.shape[-1], on_all)
    counts = jnp.ones_like(losses) if class_weights is None else label_weight
    return check.returns(weighted_mean(losses, counts, rows))


def _weights(check: Checks, class_weights: Array | None, z: Array) -> Float[Array, "*ones classes"]:
    shape = (1,) * (z.ndim - 1) + z.shape[-1:]
    if class_weights is None:
        return jnp.ones(shape, z.dtype)
    weights = check.number("class_weights", class_weights, 0.0, ends="[)")
    if weights.shape != z.shape[-1:]:
        raise ValueError(f"{check}: class_weights must have shape {z.shape[-1:]}; got shape {weights.shape}")
    return weights.astype(z.dtype).reshape(shape)
