"""Penalties on weights, activations and slopes: scalars to add to a loss, `loss + strength * penalty.l2(params)`."""

from ._activity import activity_l1, activity_l2
from ._groups import group_lasso
from ._norms import elastic_net, l1, l2
from ._smoothness import input_gradient, jacobian, total_variation
from ._structure import l2_sp, orthogonality, spectral

__all__ = [
    "activity_l1",
    "activity_l2",
    "elastic_net",
    "group_lasso",
    "input_gradient",
    "jacobian",
    "l1",
    "l2",
    "l2_sp",
    "orthogonality",
    "spectral",
    "total_variation",
]
