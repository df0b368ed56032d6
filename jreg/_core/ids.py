"""Class ids and other whole numbers, checked before a cast could wrap them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from . import checks
from .checks import Checks


def class_ids(
    check: Checks, argument: str, ids: Any, num_classes: int, rows: Bool[Array, "*batch"] | None = None
) -> Int[Array, "*batch"]:
    """Return ids as int32. A concrete one outside [0, num_classes) raises if its row counts; a traced one is -1."""
    if checks.is_traced(ids) and ids.dtype.itemsize < 4:
        ids = ids.astype(jnp.int32)
    given = ids if checks.is_traced(ids) else np.asarray(ids)
    valid = (given >= 0) & (given < num_classes)
    counted = valid if rows is None else valid | ~rows
    if not checks.is_traced(counted) and not np.all(counted):
        raise ValueError(
            f"{check}: {argument} must be in [0, {num_classes}); got {given[~np.asarray(counted)].flat[0]}"
        )
    return jnp.where(valid, given.astype(np.int32), -1)


def whole(check: Checks, argument: str, values: Any) -> Array:
    """Return `values` as a JAX array; raise if they are concrete whole numbers that their dtype in JAX cannot hold."""
    narrow = jax.dtypes.canonicalize_dtype(values.dtype)
    if isinstance(values, np.ndarray) and jnp.issubdtype(values.dtype, jnp.integer) and narrow != values.dtype:
        info = jnp.iinfo(narrow)
        beyond = (values < info.min) | (values > info.max)
        if beyond.any():
            raise ValueError(
                f"{check}: {argument} must fit in {narrow}, or jax_enable_x64 be set; got {values[beyond][0]}"
            )
    return jnp.asarray(values)
