"""The one rule for a bad number that is traced, so that nothing can be raised: it spoils the result.

The checks turn such a number into NaN. What was computed with it then becomes, everywhere,

    floats      NaN
    integers    the largest of their dtype: white as a byte of an image; as an id, `jnp.take` embeds it as NaN
    bools       True

No integer is a NaN, so in no dtype is a mark quite safe from being taken for data: the largest value is the one that
they reach least, with and without a sign.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped


@partial(jax.jit, inline=True)
def spoiled(y: Shaped[Array, "*shape"], *numbers: Float[Array, "..."]) -> Shaped[Array, "*shape"]:
    """Mark what was computed with numbers that are NaN; they have the leading axes of y, or none.

    PRNG keys stay: nothing is computed with a number in them.
    """
    if jnp.issubdtype(y.dtype, jax.dtypes.extended):
        return y
    mark = marking(y.dtype)
    for number in numbers:
        is_bad = jnp.isnan(number).reshape(number.shape + (1,) * (y.ndim - number.ndim))
        y = jnp.where(is_bad, mark, y)
    return y


def marking(dtype: np.dtype) -> np.ndarray:
    """The value that marks spoiled data of a dtype."""
    if jnp.issubdtype(dtype, jnp.inexact):
        return np.asarray(np.nan, dtype)
    return np.asarray(True if jnp.issubdtype(dtype, jnp.bool_) else jnp.iinfo(dtype).max, dtype)
