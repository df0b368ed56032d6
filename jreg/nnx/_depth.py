"""Residual branches that are dropped, and a wrapper that skips what it drops."""

from collections.abc import Callable
from typing import Any, Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from .. import noise
from ._dropout import Rngs
from ._key import Noise, key_for, number


class StochasticDepth(Noise):
    """Drop a residual branch, `x + depth(block(x))`: `jreg.noise.stochastic_depth`."""

    def __init__(
        self,
        rate: Any,
        *,
        mode: Literal["row", "batch"] = "row",
        rescale: Literal["train", "inference"] = "train",
        **options: Any,
    ):
        super().__init__(**options)
        self.rate = rate
        self.mode: Any = mode
        self.rescale: Any = rescale

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        key = key_for(self, rate, deterministic, rngs)
        return noise.stochastic_depth(key, inputs, rate, mode=self.mode, rescale=self.rescale)


class Residual(Noise):
    """`x + block(x)`, with the branch dropped as in `jreg.noise.residual`; `skip` says what is drawn and what it costs.

    The block draws from its own streams. What it stores, statistics of batch norm or counts of streams, stays as it was
    where "cond" skips it.
    """

    def __init__(
        self,
        block: Callable[[Array], Array],
        rate: Any,
        *,
        skip: Literal["mask", "subset", "cond"] = "mask",
        **options: Any,
    ):
        super().__init__(**options)
        self.rate = rate
        self.block = block
        self.skip: Any = skip

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        key = key_for(self, rate, deterministic, rngs)
        if self.skip != "cond" or key is None:
            return noise.residual(lambda _, x: self.block(x), key, inputs, rate, skip=self.skip)
        # 0, or 1 / (1 - rate). nnx.cond carries what the block stores, which a plain lax.cond may not change.
        factor = noise.stochastic_depth(key, jnp.ones((), inputs.dtype), rate, mode="batch")
        return inputs + nnx.cond(
            factor != 0.0,
            lambda layer, x: factor * layer.block(x),
            lambda layer, x: jnp.zeros_like(x),
            self,
            inputs,
        )
