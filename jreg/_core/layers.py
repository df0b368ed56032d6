"""What the layers for linen and nnx share: inputs that flax accepts and jreg's functions do not."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from . import dtypes
from .checks import Checks
from .types import Tree


class ModuleFunction(NamedTuple):
    """A module of flax, taken apart by `as_function`.

    Attributes:
      params: its parameters, nested dicts of arrays.
      model_state: its other variables, such as the statistics of batch norm.
      apply: `apply(params, model_state, key, *args, **kwargs) -> (outputs, model_state)`, a pure function.
    """

    params: Tree
    model_state: Tree
    apply: Callable[..., tuple[Any, Tree]]


def distinct_axes(check: Checks, argument: str, value: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return axes as sorted non-negative numbers; an axis named twice counts once."""
    given = (value,) if isinstance(value, int) else value
    return tuple(sorted({axis for each in given for axis in check.axes(argument, each, ndim)}))


def promoted(first: np.dtype, second: np.dtype) -> np.dtype:
    """The dtype that holds both, even under strict promotion."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.promote_types(first, second)


def complex_if(x: Array, mean: Array) -> Array:
    """The running mean, made complex if x is."""
    return mean.astype(promoted(mean.dtype, jnp.dtype(jnp.complex64))) if jnp.iscomplexobj(x) else mean


def shifted(variance: Array, eps: Any) -> Array:
    """variance + eps, for `batch_norm_inference` with an eps of 0: flax accepts a variance rounded to below 0."""
    wide = variance.astype(dtypes.widened(variance.dtype))
    wide += Checks("batch_norm_inference").scalar("eps", eps, 0.0, ends="[)").astype(wide.dtype)
    return jnp.where(wide < 0.0, jnp.nan, wide)


def where_of(mask: Any, x: Array) -> Array | None:
    """A mask of flax's layers, broadcast from the right to the shape of x."""
    return None if mask is None else jnp.broadcast_to(jnp.asarray(mask, bool), x.shape)


def output_of(output: Tree, proposed: Tree, state: Tree) -> Tree:
    """A cell's output, where each array that is also part of the proposed state is replaced by its pair in `state`."""
    pairs = zip(jax.tree.leaves(proposed), jax.tree.leaves(state), strict=True)
    replaced = {id(before): after for before, after in pairs}
    return jax.tree.map(lambda leaf: replaced.get(id(leaf), leaf), output)
