"""The examples of a batch: how many there are, and the numbers that may differ between them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from .._core.checks import Checks
from .._core.types import Numbers, Tree


def batch_size(check: Checks, argument: str, tree: Tree) -> int:
    """The one size that the leaves of a tree have on their first axis."""
    sizes = {_shape(check, argument, leaf)[:1] for leaf in jax.tree.leaves(tree)}
    if len(sizes) != 1 or sizes == {()}:
        raise ValueError(f"{check}: {argument} must have one size on the first axis of its leaves; got {sorted(sizes)}")
    return sizes.pop()[0]


def _shape(check: Checks, argument: str, leaf: Any) -> tuple[int, ...]:
    is_key = isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    is_number = isinstance(leaf, bool | int | float | complex)
    return jnp.shape(leaf if is_key or is_number else check.array(argument, leaf))


def number_per_example(
    check: Checks,
    argument: str,
    value: Numbers,
    batch: tuple[int, ...],
    low: float = -np.inf,
    high: float = np.inf,
    *,
    ends: str = "[]",
    num_axes: int = 0,
) -> Float[Array, "..."]:
    """Check a number that is one for all examples, or one for each: a scalar, or (*batch) and `num_axes` axes of 1."""
    number = check.number(argument, value, low, high, ends=ends)
    number = check.broadcastable(argument, number, batch)
    return lax.expand_dims(number, range(number.ndim, number.ndim + num_axes)) if number.ndim else number
