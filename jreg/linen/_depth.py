"""Residual branches that are dropped at random, and a wrapper that can skip the dropped ones."""

from __future__ import annotations

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array

from .. import noise
from .._core.types import Key
from ._key import Noise, key_for


class StochasticDepth(Noise, kw_only=True):
    """Drop a residual branch, `x + depth(block(x))`: `jreg.noise.stochastic_depth`.

    `deterministic` and `rng_collection` are as in flax's `Dropout`.

    Args:
      rate: probability of dropping, in [0, 1].
      per: draw for each "example", or once for the whole "batch".
      rescale: whether "train" or "inference" corrects for the share kept.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer = linen.StochasticDepth(0.2, deterministic=False)
    >>> layer.apply({}, jnp.ones((4, 3)), rngs={"dropout": jax.random.key(0)}).shape
    (4, 3)
    """

    per: Literal["example", "batch"] = "example"
    rescale: Literal["train", "inference"] = "train"

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        key = key_for(self, self.rate, deterministic, rng)
        return noise.stochastic_depth(key, inputs, self.rate, per=self.per, rescale=self.rescale)


class Residual(nn.Module):
    """`x + block(x)`, with the branch dropped as in `jreg.noise.residual`.

    `deterministic` and `rng_collection` are as in flax's `Dropout`. The block draws from its own collections. What it
    stores, such as the statistics of batch norm, stays the same when "cond" skips the block.

    Args:
      block: a module that maps x to the branch, in x's shape and dtype.
      rate: probability of dropping, in [0, 1].
      skip: what is drawn and what it costs: "mask", "subset" or "cond".

    >>> import jax, jax.numpy as jnp, flax.linen as nn
    >>> from jreg import linen
    >>> layer, x = linen.Residual(nn.Dense(3), 0.2, deterministic=False), jnp.ones((4, 3))
    >>> layer.apply(layer.init(jax.random.key(0), x), x, rngs={"dropout": jax.random.key(1)}).shape
    (4, 3)
    """

    block: nn.Module
    rate: Any
    skip: Literal["mask", "subset", "cond"] = "mask"
    deterministic: bool | None = None
    rng_collection: str = "dropout"

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        block: Any = self.block
        if self.is_initializing():
            return inputs + block(inputs)
        key = key_for(self, self.rate, deterministic, rng)
        if self.skip != "cond" or key is None:
            return noise.residual(lambda _, x: block(x), key, inputs, self.rate, skip=self.skip)
        # The factor is 0 or 1 / (1 - rate). nn.cond carries what the block stores; a plain lax.cond cannot change it.
        factor = noise.stochastic_depth(key, jnp.ones((), inputs.dtype), self.rate, per="batch")
        return inputs + nn.cond(
            factor != 0.0, lambda layer, x: factor * layer.block(x), lambda layer, x: jnp.zeros_like(x), self, inputs
        )
