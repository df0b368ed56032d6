"""Mixing of table rows feature by feature."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from ..._core import masks
from ..._core.checks import Checks
from ..._core.ids import whole
from ..._core.placement import rows_of
from ..._core.spoil import spoiled
from ..._core.types import Key, Number
from ...random import keep_mask, split
from .._mixing._mix import beta, mix


def feature_mixup(
    key: Key | None, x: Shaped[Array, "rows features"], labels: Float[Array, "rows *classes"], alpha: Number
) -> tuple[Shaped[Array, "rows features"], Float[Array, "rows *classes"]]:
    """Exchange features between each row and another; the labels mix by the share of features that are the row's own.

        x' = m * x + (1 - m) * x[permutation],   m ~ Bernoulli(w),   w ~ Beta(alpha, alpha)
        y' = mean(m) * y + (1 - mean(m)) * y[permutation]

    Every row draws its w, and every cell its m. Values are never averaged, so category codes stay codes; `mixup` blends
    tables of numbers. `feature_mixup(None, ...)` and alpha 0 return their arguments.

    Args:
      key: one key, or None for no mixing.
      x: a table of any dtype.
      labels: numbers, or distributions such as `jax.nn.one_hot`; floats.
      alpha: at least 0; small values leave most rows almost whole.

    Raises:
      ValueError: a concrete alpha below 0, or shapes that do not fit. A traced one gives NaN.
      TypeError: labels of integers, such as class ids.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> x, labels = jnp.array([[1, 2, 3, 4], [10, 20, 30, 40]]), jnp.array([0.0, 1.0])
    >>> mixed, mixed_labels = augment.feature_mixup(jax.random.key(0), x, labels, 1.0)
    >>> bool(((mixed > 9).mean(1) == mixed_labels).all())
    True

    Chen et al., Can a Deep Learning Model be a Sure Bet for Tabular Prediction? (ExcelFormer), KDD 2024.
    """
    check = Checks("feature_mixup")
    labels, alpha = check.floating("labels", labels), check.scalar("alpha", alpha, 0.0)
    x = check.array("x", x)
    if x.ndim != 2 or labels.shape[:1] != x.shape[:1]:
        raise ValueError(f"{check}: x must be (rows, features) and labels (rows, *classes); got {x.shape}")
    if key is None or not x.size:
        return x, labels
    x = whole(check, "x", x)
    weight_key, order_key, mask_key = split(check.key(key), 3)
    order = jax.random.permutation(order_key, x.shape[0])
    is_own = keep_mask(mask_key, x.shape, 1.0 - beta(weight_key, alpha, (x.shape[0], 1)))
    share = spoiled(jnp.mean(is_own, axis=1, dtype=jnp.float32), alpha)
    mixed = spoiled(masks.where(is_own, x, rows_of(x, order)), alpha)
    return mixed, mix(labels, rows_of(labels, order), share)
