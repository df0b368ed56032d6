"""A recurrent cell that keeps random elements of its state at their previous values."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
from jaxtyping import Array

from .. import noise
from .._core.layers import output_of
from .._core.types import Key, Tree
from ._key import key_for


class Zoneout(nn.RNNCellBase):
    """A cell with `jreg.noise.zoneout` on its state; pass it to `nn.RNN` in place of the cell.

    `deterministic` and `rng_collection` are as in flax's `Dropout`. An output that is the same array as part of the new
    state is returned as it is after zoneout. `nn.remat` or `nn.jit` around the cell alone makes it a different array,
    which zoneout does not reach: put them around this layer.

    For one draw per step, let `nn.RNN` split the collection: `split_rngs={"params": False, "dropout": True}`.

    Args:
      cell: the recurrent cell.
      rate: probability of keeping the previous value, in [0, 1]; for a state that is a tuple, a tuple of these: the
        paper uses (0.5, 0.05) for an LSTM.

    >>> import jax, jax.numpy as jnp, flax.linen as nn
    >>> from jreg import linen
    >>> cell = linen.Zoneout(nn.LSTMCell(4), (0.5, 0.05), deterministic=False)
    >>> layer, x = nn.RNN(cell, split_rngs={"params": False, "dropout": True}), jnp.ones((2, 7, 3))
    >>> layer.apply(layer.init(jax.random.key(0), x), x, rngs={"dropout": jax.random.key(1)}).shape
    (2, 7, 4)
    """

    cell: nn.RNNCellBase
    rate: Any
    deterministic: bool | None = None
    rng_collection: str = "dropout"

    @nn.compact
    def __call__(
        self, carry: Tree, inputs: Array, deterministic: bool | None = None, rng: Key | None = None
    ) -> tuple[Tree, Tree]:
        cell: Any = self.cell
        proposed, output = cell(carry, inputs)
        key = None if self.is_initializing() else key_for(self, self.rate, deterministic, rng)
        state = noise.zoneout(key, carry, proposed, self.rate)
        return state, output_of(output, proposed, state)

    @nn.nowrap
    def initialize_carry(self, rng: Key, input_shape: tuple[int, ...]) -> Tree:
        """Return the cell's own initial carry."""
        return self.cell.initialize_carry(rng, input_shape)

    @property
    def num_feature_axes(self) -> int:
        return self.cell.num_feature_axes
