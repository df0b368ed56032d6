"""Regularizers of the weights as optax transformations: they compose with any optax chain.

Where each belongs: `add_*` before the optimizer (they change the gradient); `with_*` around it; after it, in this
order, `decay_towards`, `prox_*`, `constrain_*` and `average_params` (they act on the weights that the step would
reach).
"""

from .._core.leaves import kernels, matching
from ._average import average_params, averaged_params
from ._constraints import constrain, constrain_max_norm, constrain_unit_norm
from ._decay import decay_towards, with_decoupled_decay
from ._precision import with_float32_copy, with_stochastic_rounding
from ._proximal import prox_elastic_net, prox_group_lasso, prox_l1, proximal
from ._sam import sam_gradient
from ._shrink import add_elastic_net, add_l1, add_l2
from ._thresholds import block_soft_threshold, elastic_net_threshold, soft_threshold

__all__ = [
    "add_elastic_net",
    "add_l1",
    "add_l2",
    "average_params",
    "averaged_params",
    "block_soft_threshold",
    "constrain",
    "constrain_max_norm",
    "constrain_unit_norm",
    "decay_towards",
    "elastic_net_threshold",
    "kernels",
    "matching",
    "prox_elastic_net",
    "prox_group_lasso",
    "prox_l1",
    "proximal",
    "sam_gradient",
    "soft_threshold",
    "with_decoupled_decay",
    "with_float32_copy",
    "with_stochastic_rounding",
]
