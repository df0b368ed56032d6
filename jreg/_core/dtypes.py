"""Which dtype to compute in."""

import jax.numpy as jnp
import numpy as np


def widened(dtype: np.dtype) -> np.dtype:
    """The dtype to sum and scale in: float32 for anything narrower, the dtype itself otherwise."""
    return jnp.dtype(jnp.float32) if jnp.finfo(dtype).bits < 32 else jnp.dtype(dtype)


def real(dtype: np.dtype) -> np.dtype:
    """The dtype of a complex number's modulus, or the dtype itself."""
    return jnp.finfo(dtype).dtype


def finer(first: np.dtype, second: np.dtype) -> np.dtype:
    """The one of two dtypes with more digits, and the first if they have as many."""
    return second if jnp.finfo(second).bits > jnp.finfo(first).bits else first
