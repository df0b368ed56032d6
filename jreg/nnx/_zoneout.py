"""A recurrent cell whose state is kept, here and there, at its previous value."""

from typing import Any

from flax import nnx
from jaxtyping import Array

from .._core.types import Tree
from ..noise._cells import zone_step
from ._dropout import Rngs
from ._key import Noise, key_for, number


class Zoneout(Noise, nnx.RNNCellBase):
    """A cell with `jreg.noise.zoneout` on its state, to give to `nnx.RNN` in the place of the cell.

    `rate` is a number, or for a state that is a tuple a tuple of numbers: the paper takes (0.5, 0.05) for an LSTM. An
    output that is the same array as part of the new state is given as it is after zoneout. `nnx.remat` or `nnx.jit`
    around the cell alone makes it another array, which stays as it is: put them around this layer.
    """

    def __init__(self, cell: nnx.RNNCellBase, rate: Any, **options: Any):
        super().__init__(**options)
        self.cell = cell
        self.rate = rate

    def __call__(
        self, carry: Tree, inputs: Array, *, deterministic: bool | None = None, rngs: Rngs = None
    ) -> tuple[Tree, Tree]:
        rate = tuple(map(number, self.rate)) if isinstance(self.rate, tuple) else number(self.rate)
        proposed, output = self.cell(carry, inputs)
        return zone_step(key_for(self, rate, deterministic, rngs), carry, proposed, output, rate)

    def initialize_carry(self, *args: Any, **kwargs: Any) -> Tree:
        """The cell's own."""
        return self.cell.initialize_carry(*args, **kwargs)

    @property
    def num_feature_axes(self) -> int:
        return self.cell.num_feature_axes
