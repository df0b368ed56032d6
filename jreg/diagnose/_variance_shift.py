"""Dropout before batch norm: the variance that batch norm learns in training is not the variance at inference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._core import dtypes
from .._core.checks import Checks
from .._core.types import Key
from ..random import split_array


class VarianceShift(NamedTuple):
    """Variances per feature with noise and without, and their ratio.

    Attributes:
      training: the variance with noise, as batch norm sees it in training.
      inference: the variance without noise.
      ratio: `inference / training`; 1 means no shift.
    """

    training: Float[Array, " features"]
    inference: Float[Array, " features"]
    ratio: Float[Array, " features"]

    def describe(self) -> str:
        """The shift in words, with the standard deviation that a batch norm here would return at inference."""
        ratio = float(jnp.nanmedian(self.ratio))
        found = f"inference has {ratio:.2f} of the variance of training, in the median feature."
        if abs(ratio - 1.0) < 0.05:
            return f"No variance shift: {found}"
        return (
            f"Variance shift: {found} A batch norm here would return a standard deviation of {ratio**0.5:.2f} at "
            "inference: put the noise behind the last one."
        )


def variance_shift(fn: Callable[[Any, Any], Any], key: Key | None, x: Any, *, num_samples: int = 8) -> VarianceShift:
    """Measure the variance of activations with noise, as batch norm sees it in training, and without, as at inference.

        ratio = Var[fn(None, x)] / Var[fn(key, x)],   per feature

    Dropout keeps the mean of its input and raises the variance, so a batch norm behind it stores a variance that
    inference never reaches. Each further such layer multiplies the shift. Call it for the input of every batch norm.

    Args:
      fn: `fn(key, x)` returns activations (..., features): what the batch norm reads.
      key: one key; None compares inference with itself.
      x: a batch of inputs, in any structure; the larger, the better the estimate.
      num_samples: how many draws of the noise the training variance is taken over.

    Raises:
      ValueError: fewer than one sample, or activations without an axis of examples.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import diagnose, noise
    >>> x = jax.random.normal(jax.random.key(0), (1000, 4))
    >>> shift = diagnose.variance_shift(lambda key, x: noise.dropout(key, x, 0.5), jax.random.key(1), x)
    >>> bool((abs(shift.ratio - 0.5) < 0.05).all())
    True

    Li et al., Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift, CVPR 2019.
    """
    check = Checks("variance_shift")
    check.called("fn", fn, "fn(key, x) that returns activations")
    num_samples = check.integer("num_samples", num_samples)
    keys = split_array(key, num_samples)
    noisy = _variance(jax.vmap(fn, in_axes=(0, None), axis_size=num_samples)(keys, x), 2)
    quiet = _variance(fn(None, x), 1)
    return VarianceShift(noisy, quiet, quiet / noisy)


def _variance(activations: Any, leading: int) -> Array:
    activations = Checks("variance_shift").floating("fn(key, x)", activations)
    if activations.ndim <= leading:
        raise ValueError(
            f"variance_shift: fn(key, x) must have shape (..., features); got {activations.shape[leading - 1 :]}"
        )
    return jnp.var(activations.astype(dtypes.widened(activations.dtype)), tuple(range(activations.ndim - 1)))
