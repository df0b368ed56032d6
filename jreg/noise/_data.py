"""What noise that drops can be put on."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Inexact

from .._core import checks


def droppable(function: str, argument: str, value: Any) -> Inexact[Array, "..."]:
    """Return `value` as `checks.inexact` does, unless its dtype has no 0, which what is dropped becomes."""
    value = checks.inexact(function, argument, value)
    if value.dtype == jnp.float8_e8m0fnu:
        raise TypeError(f"{function}: {argument} must be of a dtype with a 0; got {value.dtype}")
    return value
