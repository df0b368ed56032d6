"""The 2-norm with a finite gradient everywhere."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact


def safe_norm(
    x: Inexact[Array, "..."], axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False
) -> Float[Array, "..."]:
    """The 2-norm along `axis`, of the moduli if x is complex, with derivatives of 0 instead of NaN at zero.

    Squares are neither scaled nor widened, so pass float32 or wider. In float32 a norm below 1e-19 counts as zero.
    """
    squares = jnp.sum(jnp.real(x * jnp.conj(x)), axis=axis, keepdims=keepdims)
    is_zero = squares == 0.0
    # The inner `where` keeps the derivative of the root, infinite at 0, from being multiplied by 0.
    return jnp.where(is_zero, 0.0, jnp.sqrt(jnp.where(is_zero, 1.0, squares)))
