"""A dense layer whose weights are dropped."""

from __future__ import annotations

from typing import Any, Literal

import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.linear import default_kernel_init
from jax.nn.initializers import zeros
from jaxtyping import Array

from .. import noise
from ._key import Noise, Rngs, key_for, number


class DropConnectLinear(nnx.Linear, Noise):
    """flax's `Linear` with DropConnect on its kernel: `jreg.noise.dropconnect_dense`.

    `deterministic`, `rng_collection` and `rngs` are as in flax's `Dropout`. `rngs` also draws the initial weights.

    Args:
      rate: probability of dropping a weight, in [0, 1].
      per: one mask per "example" or "batch"; or "gaussian"; or the number of groups.
      in_features, out_features, use_bias, dtype, param_dtype, kernel_init, bias_init: as in flax's `Linear`.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> nnx.DropConnectLinear(3, 5, 0.5, rngs=flax_nnx.Rngs(0))(jnp.ones((2, 3))).shape
    (2, 5)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rate: Any,
        *,
        per: Literal["example", "batch", "gaussian"] | int = "example",
        use_bias: bool = True,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        kernel_init: Any = default_kernel_init,
        bias_init: Any = zeros,
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: nnx.Rngs,
    ):
        nnx.Linear.__init__(
            self,
            in_features,
            out_features,
            use_bias=use_bias,
            dtype=dtype,
            param_dtype=param_dtype,
            kernel_init=kernel_init,
            bias_init=bias_init,
            rngs=rngs,
        )
        Noise.__init__(self, deterministic=deterministic, rng_collection=rng_collection, rngs=rngs)
        self.rate = rate
        self.per: Any = per

    def __call__(self, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None) -> Array:
        rate = number(self.rate)
        key = key_for(self, rate, deterministic, rngs)
        bias = None if self.bias is None else self.bias[...]
        inputs, kernel, bias = self.promote_dtype((inputs, self.kernel[...], bias), dtype=self.dtype)
        y = noise.dropconnect_dense(key, inputs, kernel, rate, per=self.per)
        return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + (-1,))
