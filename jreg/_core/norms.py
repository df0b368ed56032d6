"""The 2-norm with a gradient everywhere."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact


def safe_norm(
    x: Inexact[Array, "..."], axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False
) -> Float[Array, "..."]:
    """The 2-norm along `axis`, by the modulus where complex, whose derivatives at zero are 0 instead of NaN.

    Squares are neither scaled nor widened: give it float32 or wider. There a norm below 1e-19 counts as zero.
    """
    squares = jnp.sum(jnp.real(x * jnp.conj(x)), axis=axis, keepdims=keepdims)
    is_zero = squares == 0.0
    # The inner `where` keeps the derivative of the root, infinite at 0, from being multiplied by 0.
    return jnp.where(is_zero, 0.0, jnp.sqrt(jnp.where(is_zero, 1.0, squares)))
