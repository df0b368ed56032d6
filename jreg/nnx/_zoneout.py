"""A recurrent cell that keeps random elements of its state at their previous values."""

from __future__ import annotations

from typing import Any

from flax import nnx
from jaxtyping import Array

from .. import noise
from .._core.layers import output_of
from .._core.types import Tree
from ._key import Rngs, WithRate, key_for, number


class Zoneout(WithRate, nnx.RNNCellBase):
    """A cell with `jreg.noise.zoneout` on its state; pass it to `nnx.RNN` in place of the cell.

    `deterministic`, `rng_collection` and `rngs` are as in flax's `Dropout`. An output that is the same array as part of
    the new state is returned as it is after zoneout. `nnx.remat` or `nnx.jit` around the cell alone makes it a
    different array, which zoneout does not reach: put them around this layer.

    Args:
      cell: the recurrent cell.
      rate: probability of keeping the previous value, in [0, 1]; for a state that is a tuple, a tuple of these: the
        paper uses (0.5, 0.05) for an LSTM.

    >>> import jax.numpy as jnp
    >>> from flax import nnx as flax_nnx
    >>> from jreg import nnx
    >>> rngs = flax_nnx.Rngs(0)
    >>> cell = nnx.Zoneout(flax_nnx.LSTMCell(3, 4, rngs=rngs), (0.5, 0.05), rngs=rngs)
    >>> flax_nnx.RNN(cell, rngs=rngs)(jnp.ones((2, 7, 3))).shape
    (2, 7, 4)
    """

    def __init__(self, cell: nnx.RNNCellBase, rate: Any, **options: Any):
        super().__init__(rate, **options)
        self.cell = cell

    def __call__(
        self, carry: Tree, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None
    ) -> tuple[Tree, Tree]:
        rate = tuple(map(number, self.rate)) if isinstance(self.rate, tuple) else number(self.rate)
        proposed, output = self.cell(carry, inputs)
        state = noise.zoneout(key_for(self, rate, deterministic, rngs), carry, proposed, rate)
        return state, output_of(output, proposed, state)

    def initialize_carry(self, *args: Any, **kwargs: Any) -> Tree:
        """Return the cell's own initial carry."""
        return self.cell.initialize_carry(*args, **kwargs)

    @property
    def num_feature_axes(self) -> int:
        return self.cell.num_feature_axes
