"""A recurrent cell whose state is kept, here and there, at its previous value."""

from typing import Any

import flax.linen as nn
from jaxtyping import Array

from .._core.types import Key, Tree
from ..noise._cells import zone_step
from ._key import key_for


class Zoneout(nn.RNNCellBase):
    """A cell with `jreg.noise.zoneout` on its state, to give to `nn.RNN` in the place of the cell.

    `rate` is a number, or for a state that is a tuple a tuple of numbers: the paper takes (0.5, 0.05) for an LSTM. An
    output that is the same array as part of the new state is given as it is after zoneout. `nn.remat` or `nn.jit`
    around the cell alone makes it another array, which stays as it is: put them around this layer.

    Let `nn.RNN` split the collection, `split_rngs={"params": False, "dropout": True}`, for a draw per step.
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
        return zone_step(key, carry, proposed, output, self.rate)

    @nn.nowrap
    def initialize_carry(self, rng: Key, input_shape: tuple[int, ...]) -> Tree:
        """The cell's own."""
        return self.cell.initialize_carry(rng, input_shape)

    @property
    def num_feature_axes(self) -> int:
        return self.cell.num_feature_axes
