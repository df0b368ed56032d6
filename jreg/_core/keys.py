"""The words that a PRNG key is made of."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, UInt32

from .types import Key


def data_of(key: Key) -> UInt32[Array, "..."]:
    """The data of a typed key; a legacy key is its own."""
    return jax.random.key_data(key) if is_typed(key) else key


def is_typed(key: Key) -> bool:
    return jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
