"""A dense layer whose weights are dropped."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from flax.linen.linear import default_kernel_init
from jax.nn.initializers import zeros
from jaxtyping import Array

from .. import noise
from .._core.types import Key
from ._key import key_for


class DropConnectDense(nn.Module):
    """flax's `Dense` with DropConnect on its kernel: `jreg.noise.dropconnect_dense`.

    `deterministic` and `rng_collection` are as in flax's `Dropout`.

    Args:
      rate: probability of dropping a weight, in [0, 1].
      per: one mask per "example" or "batch"; or "gaussian"; or the number of groups.
      features, use_bias, dtype, param_dtype, kernel_init, bias_init: as in flax's `Dense`.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import linen
    >>> layer, x = linen.DropConnectDense(5, 0.5, deterministic=False), jnp.ones((2, 3))
    >>> layer.apply(layer.init(jax.random.key(0), x), x, rngs={"dropout": jax.random.key(1)}).shape
    (2, 5)
    """

    features: int
    rate: Any
    per: Any = "example"
    use_bias: bool = True
    dtype: Any = None
    param_dtype: Any = jnp.float32
    kernel_init: Any = default_kernel_init
    bias_init: Any = zeros
    deterministic: bool | None = None
    rng_collection: str = "dropout"

    @nn.compact
    def __call__(self, inputs: Array, deterministic: bool | None = None, rng: Key | None = None) -> Array:
        kernel = self.param("kernel", self.kernel_init, (inputs.shape[-1], self.features), self.param_dtype)
        bias = self.param("bias", self.bias_init, (self.features,), self.param_dtype) if self.use_bias else None
        inputs, kernel, bias = promote_dtype(inputs, kernel, bias, dtype=self.dtype)
        key = None if self.is_initializing() else key_for(self, self.rate, deterministic, rng)
        y = noise.dropconnect_dense(key, inputs, kernel, self.rate, per=self.per)
        return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + (-1,))
