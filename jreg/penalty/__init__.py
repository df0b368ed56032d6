"""Penalties on weights, activations and slopes: scalars to add to a loss, `loss + strength * penalty.l2(params)`."""

from ._activity import activity_l1 as activity_l1
from ._activity import activity_l2 as activity_l2
from ._groups import group_lasso as group_lasso
from ._norms import elastic_net as elastic_net
from ._norms import l1 as l1
from ._norms import l2 as l2
from ._smoothness import input_gradient as input_gradient
from ._smoothness import jacobian as jacobian
from ._smoothness import total_variation as total_variation
from ._structure import l2_sp as l2_sp
from ._structure import orthogonality as orthogonality
from ._structure import spectral as spectral
