"""Residual branches that are dropped at random, and a wrapper that can skip the dropped ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from .. import noise
from ._key import Rngs, WithRate, key_for, number


class StochasticDepth(WithRate):
    """Drop a residual branch, `x + depth(block(x))`: `jreg.noise.stochastic_depth`.

    `deterministic`, `rng_collection` and `rngs` are as in flax's `Dropout`.

    Args:
      rate: probability of dropping, in [0, 1].
      per: draw for each "example", or once for the whole "batch".
      rescale: whether "train" or "inference" corrects for the share kept.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> layer = nnx.StochasticDepth(0.2, rngs=flax_nnx.Rngs(0))
    >>> layer(jnp.ones((4, 3))).shape
    (4, 3)
    """

    def __init__(
        self,
        rate: Any,
        *,
        per: Literal["example", "batch"] = "example",
        rescale: Literal["train", "inference"] = "train",
        **options: Any,
    ):
        super().__init__(rate, **options)
        self.per: Any = per
        self.rescale: Any = rescale

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        key = key_for(self, rate, deterministic, rngs)
        return noise.stochastic_depth(key, inputs, rate, per=self.per, rescale=self.rescale)


class Residual(WithRate):
    """`x + block(x)`, with the branch dropped as in `jreg.noise.residual`.

    `deterministic`, `rng_collection` and `rngs` are as in flax's `Dropout`. The block draws from its own streams. What
    it stores, such as the statistics of batch norm, stays the same when "cond" skips the block.

    Args:
      block: a module that maps x to the branch, in x's shape and dtype.
      rate: probability of dropping, in [0, 1].
      skip: what is drawn and what it costs: "mask", "subset" or "cond".

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> rngs = flax_nnx.Rngs(0)
    >>> nnx.Residual(flax_nnx.Linear(3, 3, rngs=rngs), 0.2, rngs=rngs)(jnp.ones((4, 3))).shape
    (4, 3)
    """

    def __init__(
        self,
        block: Callable[[Array], Array],
        rate: Any,
        *,
        skip: Literal["mask", "subset", "cond"] = "mask",
        **options: Any,
    ):
        super().__init__(rate, **options)
        self.block = block
        self.skip: Any = skip

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        key = key_for(self, rate, deterministic, rngs)
        if self.skip != "cond" or key is None:
            return noise.residual(lambda _, x: self.block(x), key, inputs, rate, skip=self.skip)
        # The factor is 0 or 1 / (1 - rate). nnx.cond carries what the block stores; a plain lax.cond cannot change it.
        factor = noise.stochastic_depth(key, jnp.ones((), inputs.dtype), rate, per="batch")
        return inputs + nnx.cond(
            factor != 0.0,
            lambda layer, x: factor * layer.block(x),
            lambda layer, x: jnp.zeros_like(x),
            self,
            inputs,
        )
