"""Regularizers of the weights as optax transformations: they compose with any optax chain.

Where each belongs: `add_*` before the optimizer (they change the gradient); `with_*` around it; after it, in this
order, `decay_towards`, `prox_*`, `constrain_*` and `average_params` (they act on the weights that it would reach).
"""

from .._core.leaves import kernels as kernels
from .._core.leaves import matching as matching
from ._average import average_params as average_params
from ._average import averaged_params as averaged_params
from ._constraints import constrain as constrain
from ._constraints import constrain_max_norm as constrain_max_norm
from ._constraints import constrain_unit_norm as constrain_unit_norm
from ._decay import decay_towards as decay_towards
from ._decay import with_decoupled_decay as with_decoupled_decay
from ._precision import with_float32_copy as with_float32_copy
from ._precision import with_stochastic_rounding as with_stochastic_rounding
from ._proximal import prox_elastic_net as prox_elastic_net
from ._proximal import prox_group_lasso as prox_group_lasso
from ._proximal import prox_l1 as prox_l1
from ._proximal import proximal as proximal
from ._sam import sam_gradient as sam_gradient
from ._shrink import add_elastic_net as add_elastic_net
from ._shrink import add_l1 as add_l1
from ._shrink import add_l2 as add_l2
from ._thresholds import block_soft_threshold as block_soft_threshold
from ._thresholds import elastic_net_threshold as elastic_net_threshold
from ._thresholds import soft_threshold as soft_threshold
