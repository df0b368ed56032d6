"""Penalties on weights: scalars to add to a loss, `loss + strength * penalty.l2(params)`."""

from ._norms import elastic_net as elastic_net
from ._norms import l1 as l1
from ._norms import l2 as l2
