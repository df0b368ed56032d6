"""Layers for flax linen over `jreg.noise` and `jreg.norm`: flax's constructors, so that only the import changes."""

from ._batch_norm import BatchNorm as BatchNorm
from ._dense import DropConnectDense as DropConnectDense
from ._depth import Residual as Residual
from ._depth import StochasticDepth as StochasticDepth
from ._dropout import AlphaDropout as AlphaDropout
from ._dropout import DropBlock as DropBlock
from ._dropout import Dropout as Dropout
from ._dropout import SpatialDropout as SpatialDropout
from ._gaussian import GaussianDropout as GaussianDropout
from ._gaussian import GaussianNoise as GaussianNoise
from ._zoneout import Zoneout as Zoneout
