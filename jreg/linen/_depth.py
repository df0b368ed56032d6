"""Residual branches that are dropped, and a wrapper that skips what it drops."""

from typing import Any, Literal

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array

from .. import noise
from .._core.types import Key
from ._key import Noise, key_for


class StochasticDepth(Noise, kw_only=True):
    """Drop a residual branch, `x + depth(block(x))`: `jreg.noise.stochastic_depth`."""

    mode: Literal["row", "batch"] = "row"
    rescale: Literal["train", "inference"] = "train"

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        key = key_for(self, self.rate, deterministic, rng)
        return noise.stochastic_depth(key, inputs, self.rate, mode=self.mode, rescale=self.rescale)


class Residual(nn.Module):
    """`x + block(x)`, with the branch dropped as in `jreg.noise.residual`; `skip` says what is drawn and what it costs.

    The block draws from the collections as anywhere, and what it stores, such as the statistics of batch norm, stays as
    it was where "cond" skips it.
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
        # 0, or 1 / (1 - rate). nn.cond carries what the block stores, which a plain lax.cond may not change.
        factor = noise.stochastic_depth(key, jnp.ones((), inputs.dtype), self.rate, mode="batch")
        return inputs + nn.cond(
            factor != 0.0, lambda layer, x: factor * layer.block(x), lambda layer, x: jnp.zeros_like(x), self, inputs
        )
