"""Label smoothing that returns targets, for class labels and for binary labels."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Num

from .._core.checks import Checks
from .._core.ids import class_ids
from .._core.types import Number
from ._ids import one_hot
from ._rows import array, classes_last


def smooth_labels(
    labels: Num[Array, "..."], smoothing: Number, *, num_classes: int | None = None, axis: int = -1
) -> Float[Array, "..."]:
    """Mix targets with the uniform distribution over the K classes.

        q = (1 - smoothing) * p + smoothing / K

    The smoothing is spread over all K classes, including the true one, as in the paper, torch, optax and Keras. Smooth
    in one place: the labels here, or the loss by `smoothed_cross_entropy`. Smoothing before or after `augment.mixup`
    gives the same result.

    Args:
      labels: class ids (*batch) with `num_classes`, or distributions (*batch, K) of floats without it. Distributions
        are used as given, even where rows do not sum to one.
      smoothing: the share of the uniform distribution, in [0, 1]. The true class keeps 1 - smoothing + smoothing / K.
      num_classes: K, at least 2; required for class ids.
      axis: the class axis of the result.

    Raises:
      ValueError: a concrete smoothing outside [0, 1] or class id outside [0, K). A traced one gives NaN.
      TypeError: class ids without `num_classes`, or floats with it.

    >>> import jax.numpy as jnp
    >>> from jreg import targets
    >>> [f"{q:.4f}" for q in targets.smooth_labels(jnp.array(1), 0.1, num_classes=3)]
    ['0.0333', '0.9333', '0.0333']

    Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016.
    """
    check = Checks("smooth_labels")
    smoothing = check.scalar("smoothing", smoothing, 0.0, 1.0)
    labels = array(check, "labels", labels)
    if jnp.issubdtype(labels.dtype, jnp.integer):
        if num_classes is None:
            raise TypeError(f"{check}: num_classes must be given for class ids; got labels of {labels.dtype}")
        num_classes = check.integer("num_classes", num_classes, low=2)
        place = check.axis("axis", axis, labels.ndim + 1)
        p = jnp.moveaxis(one_hot(class_ids(check, "labels", labels, num_classes), num_classes), -1, place)
    elif num_classes is not None:
        raise TypeError(f"{check}: num_classes must be None for distributions; got labels of {labels.dtype}")
    else:
        p, num_classes = labels, classes_last(check, "labels", labels, axis).shape[-1]
    p = check.reads(p)
    smoothing = smoothing.astype(p.dtype)
    return check.returns((1.0 - smoothing) * p + smoothing / num_classes)


def smooth_binary_labels(
    labels: Num[Array, "*shape"] | Bool[Array, "*shape"], smoothing: Number
) -> Float[Array, "*shape"]:
    """Pull true-or-false labels towards 1/2, for binary and multi-label problems.

        q = (1 - smoothing) * p + smoothing / 2

    Every label is a distribution over two outcomes, so its uniform share is 1/2, however many labels there are; 1/K
    would push all of them towards false. Pass them to `optax.sigmoid_binary_cross_entropy(logits, q)`.

    Args:
      labels: bools, 0 and 1 of any dtype, or probabilities as floats. Integers and bools give float32.
      smoothing: in [0, 1]; at 0.1 a true label becomes 0.95 and a false one 0.05.

    Raises:
      ValueError: a concrete smoothing or label outside [0, 1]. A traced one gives NaN.

    >>> import jax.numpy as jnp
    >>> from jreg import targets
    >>> [f"{q:.2f}" for q in targets.smooth_binary_labels(jnp.array([True, False]), 0.1)]
    ['0.95', '0.05']

    Mueller, Kornblith, Hinton, When Does Label Smoothing Help?, NeurIPS 2019.
    """
    check = Checks("smooth_binary_labels")
    smoothing = check.scalar("smoothing", smoothing, 0.0, 1.0)
    is_bool = jnp.issubdtype(getattr(labels, "dtype", object), jnp.bool_)
    labels = array(check, "labels", jnp.asarray(labels, jnp.int32) if is_bool else labels)
    dtype = labels.dtype if jnp.issubdtype(labels.dtype, jnp.floating) else jnp.float32
    p = check.rate("labels", labels).astype(dtype)
    p = check.reads(p)
    smoothing = smoothing.astype(dtype)
    return check.returns((1.0 - smoothing) * p + smoothing / 2)
