"""What the layers for linen and for nnx share: flax's freedoms, which jreg's functions do not take."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from . import checks


def distinct_axes(function: str, argument: str, value: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return axes as sorted non-negative numbers; one that is named twice counts once."""
    given = (value,) if isinstance(value, int) else value
    return tuple(sorted({axis for each in given for axis in checks.axes(function, argument, each, ndim)}))


def promoted(first: np.dtype, second: np.dtype) -> np.dtype:
    """The dtype that holds both, under strict promotion too."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.promote_types(first, second)
