"""Residual branches that are dropped at random, with or without computing the dropped ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Inexact

from .._core import checks, placement
from .._core.checks import Checks
from .._core.types import Key, Number
from ..random import hash_bits, keep_mask, split
from ._depth import stochastic_depth
from ._drop import inverse_share, scale


def residual(
    fn: Callable[[Any, Any], Any],
    key: Key | None,
    x: Inexact[Array, "*shape"],
    rate: Number,
    *,
    skip: Literal["mask", "subset", "cond"] = "mask",
) -> Inexact[Array, "*shape"]:
    """Add a residual branch that is dropped with probability `rate`: stochastic depth around `fn`.

        y = x + m * fn(key, x) / P(m = 1)

    `skip` sets what is drawn and what it costs. "mask" draws m for each example and computes every branch. "subset"
    runs `fn` on n = max(round(B * (1 - rate)), 1) of the B examples, chosen anew each time: it takes n/B of the block's
    time and memory, and P(m = 1) is n/B. "cond" draws once for the batch and runs the block or skips it; under `vmap`
    both are computed and one is selected, which is correct but saves nothing. With a key of None, y = x + fn(None, x).

    Under "cond" a skipped block also writes what the backward pass keeps, as zeros: where memory traffic costs more
    than the products, pass `jax.checkpoint(fn)`.

    Args:
      fn: `fn(key, x)` returns the branch in x's shape and dtype; it gets its own key. Under "subset" it sees only the n
        examples, so batch statistics are over those n.
      key: one key, or None for no noise.
      x: its first axis is the batch, except for "cond".
      rate: probability of dropping, in [0, 1]. Its gradient is zero. For "subset" it must be static, because it sets a
        shape.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), no batch axis, or a branch of another shape.
      TypeError: a traced rate with skip="subset".

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.residual(lambda key, x: 3.0 * x, jax.random.key(0), jnp.ones((8, 1)), 0.25, skip="subset")
    >>> sorted(y.ravel().tolist())
    [1.0, 1.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0]

    Huang et al., Deep Networks with Stochastic Depth, ECCV 2016; for "subset" Oquab et al., DINOv2, TMLR 2024.
    """
    check = Checks("residual")
    check.called("fn", fn, "fn(key, x) that returns x's shape and dtype")
    x = check.inexact("x", x)
    number = check.scalar("rate", rate, 0.0, 1.0)
    check.choice("skip", skip, ("mask", "subset", "cond"))
    if skip == "subset" and checks.is_traced(rate):
        raise TypeError("residual: rate must be static with skip='subset', as it sets a shape; got a traced one")
    if skip != "cond" and x.ndim == 0:
        raise ValueError(f"residual: x must have a batch axis with skip={skip!r}; got a scalar")
    if key is None:
        return x + _branch(fn, None, x)
    mask_key, fn_key = split(check.key(key))
    x = check.reads(x)
    if skip == "subset":
        y = _subset(fn, mask_key, fn_key, x, float(np.asarray(rate)))
    elif skip == "cond":
        y = x + _conditional(fn, mask_key, fn_key, x, lax.stop_gradient(number))
    else:
        y = x + stochastic_depth(mask_key, _branch(fn, fn_key, x), number)
    return check.returns(y)


def _subset(fn: Callable, mask_key: Key, fn_key: Key, x: Array, rate: float) -> Array:
    batch = x.shape[0]
    if rate == 1.0 or batch == 0:
        return x
    num_rows = max(round(batch * (1.0 - rate)), 1)
    if num_rows == batch:
        return x + _branch(fn, fn_key, x)
    # With the rows in ascending order, the gather reads and the scatter writes forwards; the rows are also distinct.
    rows = jnp.sort(jnp.argsort(hash_bits(mask_key, (batch,)))[:num_rows])
    promises: Any = {"indices_are_sorted": True, "unique_indices": True, "mode": "promise_in_bounds"}
    taken = placement.as_on_auto_axes(
        lambda x, rows: x.at[rows].get(**promises), placement.spec_like(x, (num_rows, *x.shape[1:])), x, rows
    )
    branch = scale(_branch(fn, fn_key, taken), jnp.float32(batch / num_rows))
    return placement.as_on_auto_axes(
        lambda x, rows, branch: x.at[rows].add(branch, **promises), placement.spec_like(x, x.shape), x, rows, branch
    )


def _conditional(fn: Callable, mask_key: Key, fn_key: Key, x: Array, rate: Array) -> Array:
    def skipped(x: Array) -> Array:
        return jnp.full_like(x, jnp.where(jnp.isnan(rate), jnp.nan, 0.0).astype(x.dtype))

    def computed(x: Array) -> Array:
        return scale(_branch(fn, fn_key, x), inverse_share(rate))

    return lax.cond(keep_mask(mask_key, (), rate), computed, skipped, x)


def _branch(fn: Callable, key: Key | None, x: Array) -> Array:
    branch = fn(key, x)
    if jnp.shape(branch) != x.shape or jnp.result_type(branch) != x.dtype:
        raise ValueError(
            f"residual: fn must return x's shape and dtype, {x.dtype}{list(x.shape)}; "
            f"got {jnp.result_type(branch)}{list(jnp.shape(branch))}"
        )
    return branch
