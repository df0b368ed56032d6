"""The words that a PRNG key is made of."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, UInt32

from .types import Key


def data_of(key: Key) -> UInt32[Array, "..."]:
    """The data of a typed key; a legacy key is its own data."""
    return jax.random.key_data(key) if is_typed(key) else key


def is_typed(key: Key) -> bool:
    return jnp.issubdtype(key.dtype, jax.dtypes.prng_key)


def of_dtype(words: Any, dtype: Any) -> Any:
    """Words as keys of a dtype; for the dtype of no key, the array as it is."""
    if not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return words
    return jax.random.wrap_key_data(jnp.asarray(words), impl=jax.random.key_impl(jnp.empty((), dtype)))


def as_words(keys: Key | None) -> tuple[Any, Callable[[Any], Any]]:
    """The words of typed keys, and a function that turns words back into keys; other keys stay as they are.

    Loops and branches need this: `vmap` transposes what a scan slices and selects what a branch reads, and JAX's key
    checker treats a transposed or selected key as used.
    """
    if keys is None or not is_typed(keys):
        return keys, lambda words: words
    return jax.random.key_data(keys), partial(jax.random.wrap_key_data, impl=jax.random.key_impl(keys))


def scan(body: Callable[[Any, tuple[Key, Any]], tuple[Any, Any]], carry: Any, keys: Key, xs: Any) -> tuple[Any, Any]:
    """Run `lax.scan(body, carry, (keys, xs))`, slicing the words of the keys."""
    words, to_key = as_words(keys)
    return lax.scan(lambda carry, sliced: body(carry, (to_key(sliced[0]), sliced[1])), carry, (words, xs))
