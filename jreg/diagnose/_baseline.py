"""What a model reaches that knows how frequent the classes are, and nothing else."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import entr
from jaxtyping import Array, Float, Int

from .._core.checks import Checks
from .._core.ids import class_ids


class Baseline(NamedTuple):
    """The scores of a constant prediction.

    Attributes:
      accuracy: of the most frequent class: the share of its labels.
      loss: the cross-entropy of the frequencies, in nats, which is their entropy.
    """

    accuracy: Float[Array, ""]
    loss: Float[Array, ""]


def majority_baseline(labels: Int[Array | np.ndarray, "..."], *, num_classes: int) -> Baseline:
    """Score a model that ignores its input: the accuracy and the loss that `curves` takes as `baseline`.

        accuracy = max_c f_c,   loss = -sum_c f_c log f_c,   f_c the share of class c

    Args:
      labels: integers in [0, num_classes), of the rows that the metric is measured on; a bad traced one gives NaN.
      num_classes: how many classes there are.

    Raises:
      ValueError: no labels, or a concrete one outside of the classes.

    >>> import jax.numpy as jnp
    >>> from jreg import diagnose
    >>> found = diagnose.majority_baseline(jnp.array([0, 0, 0, 1]), num_classes=2)
    >>> round(float(found.accuracy), 4), round(float(found.loss), 4)
    (0.75, 0.5623)
    """
    check = Checks("majority_baseline")
    num_classes = check.integer("num_classes", num_classes, bits=31)
    labels = check.array("labels", labels)
    if not jnp.issubdtype(labels.dtype, jnp.integer) or labels.size == 0:
        raise ValueError(
            f"majority_baseline: labels must be at least one integer; got {labels.dtype} of shape {labels.shape}"
        )
    ids = class_ids(check, "labels", labels, num_classes).ravel()
    counts = jnp.zeros(num_classes).at[ids].add(1.0)
    shares = jnp.where(jnp.all(ids >= 0), counts / ids.size, jnp.nan)
    return Baseline(jnp.max(shares), jnp.sum(entr(shares)))
