"""A choice of function for every example of a batch."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import lax
from jaxtyping import Array, Int


def switch_each(index: Int[Array, "batch"], branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Apply `branches[index[i]]` to the i-th examples of the operands.

    A CPU runs through the examples and computes one branch for each; a GPU computes all branches for the whole batch at
    once, which is faster there than one small kernel after another.
    """

    def one(index: Array, *operands: Any) -> Any:
        return lax.switch(index, branches, *operands)

    def loop(index: Array, *operands: Any) -> Any:
        return lax.map(lambda each: one(*each), (index, *operands))

    return lax.platform_dependent(index, *operands, cpu=loop, default=jax.vmap(one))
