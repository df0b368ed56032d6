"""Which dtype to compute in, and which dtypes cannot be computed in."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

WITHOUT_ZERO = frozenset({"float8_e8m0fnu"})
WITHOUT_NAN = frozenset({"float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn"})


def obstacle(array: Any) -> str | None:
    """What prevents JAX from computing with an array, in words that follow "got"; None if nothing does.

    Dropped elements become zero and invalid ones NaN, so a dtype needs both.
    """
    name = str(array.dtype)
    if isinstance(array, np.ma.MaskedArray):
        return "a masked array, whose mask would be lost: fill it first"
    if not isinstance(array, jax.Array) and not _is_known(array.dtype):
        return f"dtype {name}, which JAX does not have"
    if name in WITHOUT_ZERO or name in WITHOUT_NAN:
        return f"dtype {name}, which has no {'zero' if name in WITHOUT_ZERO else 'NaN'}"
    return None


def _is_known(dtype: np.dtype) -> bool:
    """Whether JAX has arrays of a numpy dtype: not with foreign byte order, 80-bit floats, times or objects."""
    is_number = dtype.kind == "b" or (jnp.issubdtype(dtype, jnp.number) and dtype.kind != "m")
    widest = 16 if dtype.kind == "c" else 8
    return is_number and dtype.isnative and dtype.itemsize <= widest


def widened(dtype: np.dtype) -> np.dtype:
    """The dtype to sum and scale in: float32 for anything narrower, the dtype itself otherwise."""
    return jnp.dtype(jnp.float32) if jnp.finfo(dtype).bits < 32 else jnp.dtype(dtype)


def real(dtype: np.dtype) -> np.dtype:
    """The dtype of a complex number's modulus, or the dtype itself."""
    return jnp.finfo(dtype).dtype


def finer(first: np.dtype, second: np.dtype) -> np.dtype:
    """The dtype with more digits, or the first if both have equally many."""
    return second if jnp.finfo(second).bits > jnp.finfo(first).bits else first
