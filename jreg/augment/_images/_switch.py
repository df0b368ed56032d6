"""A choice of function for every example of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
from jax import lax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Int

from ..._core.placement import as_on_auto_axes, spec_like


def switch_each(index: Int[Array, "batch"], branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Apply `branches[index[i]]` to the i-th examples of the operands.

    A CPU runs through the examples and computes one branch for each; a GPU computes all branches for the whole batch at
    once, which is faster there than one small kernel after another.
    """

    def one(index: Array, *operands: Any) -> Any:
        return lax.switch(index, branches, *operands)

    def loop(index: Array, *operands: Any) -> Any:
        return lax.map(lambda each: one(*each), (index, *operands))

    choose = partial(lax.platform_dependent, cpu=loop, default=jax.vmap(one))
    model = jax.tree.leaves(operands)[0]
    return as_on_auto_axes(choose, PartitionSpec(*spec_like(model, model.shape)[:1]), index, *operands)
