"""The one rule for a bad traced number, for which no error can be raised: it spoils the result.

The checks turn such a number into NaN. Everything computed with it then becomes

    floats      NaN
    integers    the largest of their dtype: white in an image of bytes; as an id, `jnp.take` embeds it as NaN
    bools       True

Integers have no NaN, so any mark may be mistaken for data; the largest value is the one that data reach least often,
signed or not.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped


@partial(jax.jit, inline=True)
def spoiled(y: Shaped[Array, "*shape"], *numbers: Float[Array, "..."]) -> Shaped[Array, "*shape"]:
    """Mark what was computed with numbers that are NaN; the numbers have the leading axes of y, or none.

    PRNG keys stay as they are: no number enters them.
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
