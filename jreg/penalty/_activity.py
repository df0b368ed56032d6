"""Penalties on the outputs of a layer."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Array, Float, Inexact

from .._core.checks import Checks
from ._sums import absolute, half_square, wide


def activity_l1(x: Inexact[Array, "batch ..."]) -> Float[Array, ""]:
    """Average the sum of absolute activations of an example over the batch: 1/B sum_b sum_i |x_bi|.

    It makes activations sparse. The strength means the same for every batch size, as in Keras; the gradient at zero is
    zero.

    Args:
      x: activations, with the batch on the first axis; add that axis to a single example.

    Raises:
      TypeError: x is not an array of floats.
      ValueError: x has no axis.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.activity_l1(jnp.array([[1.0, -2.0], [3.0, 0.0]])))
    3.0

    Glorot, Bordes and Bengio, Deep Sparse Rectifier Neural Networks, AISTATS 2011.
    """
    return _mean(Checks("activity_l1"), absolute, x)


def activity_l2(x: Inexact[Array, "batch ..."]) -> Float[Array, ""]:
    """Average half the sum of squared activations of an example over the batch: 1/(2B) sum_b sum_i |x_bi|^2.

    The strength means the same for every batch size. Keras's L2 has no 1/2 and is twice this.

    Args:
      x: activations, with the batch on the first axis; add that axis to a single example.

    Raises:
      TypeError: x is not an array of floats.
      ValueError: x has no axis.

    >>> import jax.numpy as jnp
    >>> from jreg import penalty
    >>> float(penalty.activity_l2(jnp.array([[1.0, -2.0], [3.0, 0.0]])))
    3.5

    Merity, McCann and Socher, Revisiting Activation Regularization for Language RNNs, 2017.
    """
    return _mean(Checks("activity_l2"), half_square, x)


def _mean(check: Checks, measure: Callable[[Array], Array], x: Array) -> Array:
    x = check.inexact("x", x)
    if not x.ndim:
        raise ValueError(f"{check}: x must have a batch axis; got shape ()")
    return measure(wide(x)) / max(len(x), 1)
