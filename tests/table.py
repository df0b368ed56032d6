"""The table of laws: a row per noise function, and every law of test_laws.py holds for every row.

To put a new function under the laws, add its row to NOISE.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import pytest

from jreg import noise


@dataclass(frozen=True)
class Noise:
    """A function of (key, x, rate), and what is particular about it."""

    name: str
    apply: Callable[[Any, Any, Any], Any]
    shape: tuple[int, ...] = (16, 6, 5, 4)
    member: Callable[[Any, Any], Any] = lambda x, rate: x
    """The deterministic member, which the key None gives."""
    keeps_mean: bool = True
    """The mean over keys is the deterministic member."""
    drops_to_zero: bool = True
    """What is dropped becomes 0, even where it was NaN."""
    shared_axes: tuple[int, ...] = ()
    """Axes along which one draw serves all elements."""
    ndims: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Ranks that it takes."""
    mark: str = ""
    """The name that it leaves in the jaxpr; its own by default."""

    def __str__(self) -> str:
        return self.name


NOISE = (
    Noise("dropout", noise.dropout),
    Noise("dropout, shared axes", partial(noise.dropout, shared_axes=(1, -2)), shared_axes=(1, 2), ndims=(2, 4)),
    Noise("dropout, bits of jax", partial(noise.dropout, bits=partial(jax.random.bits, dtype="uint32"))),
    Noise("spatial_dropout", noise.spatial_dropout, shared_axes=(1, 2), ndims=(3, 4)),
    Noise("dropconnect", partial(noise.dropconnect, where=None)),
    Noise("stochastic_depth", noise.stochastic_depth, (512, 3), shared_axes=(1,), ndims=(1, 2, 3, 4)),
    Noise(
        "stochastic_depth, batch",
        partial(noise.stochastic_depth, mode="batch"),
        (4, 3),
        shared_axes=(0, 1),
        mark="stochastic_depth",
    ),
    Noise(
        "stochastic_depth, rescaled at inference",
        partial(noise.stochastic_depth, rescale="inference"),
        (512, 3),
        member=lambda x, rate: x * (1.0 - rate),
        shared_axes=(1,),
        ndims=(1, 2, 3, 4),
        mark="stochastic_depth",
    ),
)

every_noise = pytest.mark.parametrize("row", NOISE, ids=str)
