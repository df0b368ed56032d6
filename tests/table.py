"""The table of laws: a row per noise function, and every law of test_laws.py holds for every row.

To put a new function under the laws, add its row to NOISE.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf, nan
from typing import Any

import jax
import jax.numpy as jnp
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
    spreads_nan: bool = False
    """A NaN is dropped from a sum as a product with 0, which is NaN."""
    takes_complex: bool = True
    shared_axes: tuple[int, ...] = ()
    """Axes along which one draw serves all elements."""
    independent: bool = True
    """Elements are dropped independently of one another and equally often."""
    communicates: bool = False
    """Shards exchange data: a count over the whole array, or a loop over the batch."""
    exact: bool = True
    """Fusion with other operations leaves every bit alone; otherwise results may differ by a rounding."""
    ndims: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Ranks that it takes."""
    linear: bool = True
    """Twice the data give twice the result, so the derivative along x is the result itself."""
    rates: tuple[float, float, float] = (0.0, 0.5, 1.0)
    """The lowest number that it takes, one between, and the highest (or a high one where there is no highest)."""
    bad_rates: tuple[float, ...] = (-0.1, 1.2, nan, inf)
    domain: str = "rate must be in [0, 1]"
    """How its error puts the numbers that it takes."""
    mark: str = ""
    """The name that it leaves in the jaxpr; its own by default."""

    def __str__(self) -> str:
        return self.name


def data(row: Noise, dtype: Any = jnp.float32, seed: int = 1) -> jax.Array:
    """What a law gives to a row."""
    return (1.0 + jax.random.uniform(jax.random.key(seed), row.shape)).astype(dtype)


def zoneout_from_zero(key: Any, x: jax.Array, rate: Any) -> jax.Array:
    return noise.zoneout(key, jnp.zeros_like(x), x, rate)


STD = {
    "drops_to_zero": False,
    "linear": False,
    "rates": (0.0, 0.5, 2.0),
    "bad_rates": (-0.1, nan, inf, -inf),
    "domain": "std must be finite and at least 0",
}


def dense(key: Any, x: Any, rate: Any, **options: Any) -> Any:
    """`dropconnect_dense` with the identity as its kernel."""
    return noise.dropconnect_dense(key, x, jnp.eye(x.shape[-1] if x.ndim else 1, dtype=x.dtype), rate, **options)


def attention(key: Any, x: Any, rate: Any, **options: Any) -> Any:
    """`attention` where each query may attend to its own key alone: dropout of the values x, one draw for each key."""
    size, empty = x.shape[-3] if x.ndim > 2 else 1, jnp.zeros_like(x)
    return noise.attention(key, empty, empty, x, rate, mask=jnp.eye(size, dtype=bool), **options)


ATTENTION: dict[str, Any] = {"takes_complex": False, "ndims": (3, 4), "mark": "attention"}


def doubled(key: Any, x: Any) -> Any:
    """A branch that is linear and that ignores its key."""
    return x + x


DENSE: dict[str, Any] = {"drops_to_zero": False, "ndims": (1, 2, 3, 4)}

NOISE = (
    Noise("dropout", noise.dropout),
    Noise("dropout, shared axes", partial(noise.dropout, shared_axes=(1, -2)), shared_axes=(1, 2), ndims=(2, 4)),
    Noise("dropout, bits of jax", partial(noise.dropout, bits=partial(jax.random.bits, dtype="uint32"))),
    Noise("spatial_dropout", noise.spatial_dropout, shared_axes=(1, 2), ndims=(3, 4)),
    Noise("dropconnect", partial(noise.dropconnect, mask=None)),
    Noise("stochastic_depth", noise.stochastic_depth, (512, 3), shared_axes=(1,), ndims=(1, 2, 3, 4)),
    Noise(
        "stochastic_depth, batch",
        partial(noise.stochastic_depth, per="batch"),
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
    Noise("alpha_dropout", noise.alpha_dropout, keeps_mean=False, drops_to_zero=False, linear=False),
    Noise(
        "alpha_dropout, shared axes",
        partial(noise.alpha_dropout, shared_axes=(1, -2)),
        keeps_mean=False,
        drops_to_zero=False,
        linear=False,
        shared_axes=(1, 2),
        ndims=(2, 4),
    ),
    Noise("concrete_dropout", noise.concrete_dropout, keeps_mean=False, drops_to_zero=False),
    Noise(
        "gaussian_dropout",
        noise.gaussian_dropout,
        drops_to_zero=False,
        rates=(0.0, 0.5, 0.99),
        bad_rates=(-0.1, 1.0, 1.2, nan, inf),
        domain="rate must be in [0, 1)",
    ),
    Noise("gaussian_noise", noise.gaussian_noise, **STD),
    Noise(
        "shakedrop",
        noise.shakedrop,
        (512, 3),
        member=lambda x, rate: x * (1.0 - rate),
        drops_to_zero=False,
        linear=False,
        ndims=(1, 2, 3, 4),
    ),
    Noise("variational_dropout", noise.variational_dropout, shared_axes=(1,), ndims=(2, 3, 4)),
    Noise("weight_noise", partial(noise.weight_noise, mask=None), **STD),
    Noise("zoneout", zoneout_from_zero, member=lambda x, rate: x * (1.0 - rate)),
    Noise("dropblock", partial(noise.dropblock, block_size=1), ndims=(3, 4), communicates=True),
    Noise(
        "dropblock, blocks",
        partial(noise.dropblock, block_size=(2, 3)),
        keeps_mean=False,
        independent=False,
        ndims=(3, 4),
        communicates=True,
    ),
    Noise("attention", attention, shared_axes=(3,), spreads_nan=True, **ATTENTION),
    Noise(
        "attention, keys",
        partial(attention, drop="keys", block_size=2),
        keeps_mean=False,
        shared_axes=(3,),
        spreads_nan=True,
        **ATTENTION,
    ),
    Noise("attention, heads", partial(attention, drop="heads"), shared_axes=(1, 3), **ATTENTION),
    Noise("dropconnect_dense", dense, (16, 4), communicates=True, **DENSE),
    Noise("dropconnect_dense, shared", partial(dense, per="batch"), (16, 4), **DENSE),
    Noise(
        "residual",
        partial(noise.residual, doubled),
        (512, 3),
        member=lambda x, rate: x + (x + x),
        drops_to_zero=False,
        exact=False,
        ndims=(1, 2, 3, 4),
    ),
    Noise(
        "residual, cond",
        partial(noise.residual, doubled, skip="cond"),
        (4, 3),
        member=lambda x, rate: x + (x + x),
        drops_to_zero=False,
    ),
)

every_noise = pytest.mark.parametrize("row", NOISE, ids=str)


def every(holds: Callable[[Noise], bool]) -> Any:
    """The rows that a law is about."""
    return pytest.mark.parametrize("row", [row for row in NOISE if holds(row)], ids=str)
