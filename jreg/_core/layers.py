"""What the layers for linen and nnx share: inputs that flax accepts and jreg's functions do not."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from . import checks, dtypes
from .checks import Checks
from .types import Key, Tree


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


def attend_as_flax(
    attend: Callable[..., Array],
    arrays: tuple[Array, Array, Array],
    bias: Array | None,
    mask: Array | None,
    *,
    broadcast_dropout: bool,
    dropout_rng: Key | None,
    dropout_rate: Any,
    deterministic: bool,
    precision: Any,
    is_causal: bool = False,
) -> Array:
    """`attend`, which is `noise.attention`, for arguments of flax's `dot_product_attention` of one dtype."""
    check = Checks("dot_product_attention")
    is_quiet = deterministic or checks.is_known(dropout_rate, 0.0)
    if not is_quiet and dropout_rng is None:
        raise ValueError(
            f"{check}: dropout_rng must be a key where dropout_rate is above 0 and deterministic is False; got None"
        )
    query, key, value = arrays
    if min(query.ndim, key.ndim, value.ndim) < 3:
        raise ValueError(f"{check}: query, key and value must be (*batch, length, heads, depth); got {query.shape}")
    batch = query.shape[:-3]
    # flax's masks are often floats.
    bias, mask = _in_one_batch(check, "bias", bias, batch), _in_one_batch(check, "mask", mask, batch)
    with _precision(check, precision):
        y = attend(
            None if is_quiet else dropout_rng,
            *(x.reshape(prod(x.shape[:-3]), *x.shape[-3:]) for x in (query, key, value)),
            0.0 if is_quiet else dropout_rate,
            bias=bias,
            mask=None if mask is None else mask.astype(bool),
            is_causal=is_causal,
            shared_axes=(0, 1) if broadcast_dropout else (),
        )
    return y.reshape(*batch, *y.shape[1:])


def _in_one_batch(check: Checks, argument: str, x: Array | None, batch: tuple[int, ...]) -> Array | None:
    """A bias or a mask with one axis in place of all axes of the batch."""
    if x is None or x.ndim <= 3:
        return x
    own = x.shape[:-3]
    if len(own) > len(batch) or any(n not in (1, size) for n, size in zip(own[::-1], batch[::-1], strict=False)):
        raise ValueError(f"{check}: {argument} must broadcast to (*{batch}, heads, length, length); got {x.shape}")
    own = own if prod(own) == 1 else batch
    return jnp.broadcast_to(x, (*own, *x.shape[-3:])).reshape(prod(own), *x.shape[-3:])


def _precision(check: Checks, precision: Any) -> AbstractContextManager[Any]:
    if precision is None:
        return nullcontext()
    if not isinstance(precision, str | lax.Precision):
        raise ValueError(f"{check}: precision must be one name or one jax.lax.Precision; got {precision!r}")
    return jax.default_matmul_precision(precision if isinstance(precision, str) else precision.name.lower())
