"""Flax nnx layers built on `jreg.noise` and `jreg.norm`, with flax's constructors: only the import changes."""

from ._as_function import as_function
from ._attention import dot_product_attention
from ._batch_norm import BatchNorm
from ._dense import DropConnectLinear
from ._depth import Residual, StochasticDepth
from ._dropout import AlphaDropout, DropBlock, Dropout, SpatialDropout, VariationalDropout
from ._gaussian import GaussianDropout, GaussianNoise
from ._zoneout import Zoneout

__all__ = [
    "AlphaDropout",
    "BatchNorm",
    "DropBlock",
    "DropConnectLinear",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Residual",
    "SpatialDropout",
    "StochasticDepth",
    "VariationalDropout",
    "Zoneout",
    "as_function",
    "dot_product_attention",
]
