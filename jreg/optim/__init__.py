"""Regularizers of the weights as optax transformations: they compose with any optax chain.

Where each belongs: `add_*` before the optimizer (they change the gradient); `with_*` around it; after it, in this
order, `decay_towards`, `prox_*`, `constrain_*`, and `average_params`, `power_average` or `latest_average` (they act on
the weights that the step would reach). `merge_*`, `greedy_soup` and `synthesize_average` combine weights after a run.

An L1 strength is that of the Lasso in `add_l1`, in `with_l1` around any optimizer, and in `prox_l1` after SGD.
"""

from .._core.leaves import kernels, matching
from ._average import average_params
from ._averaged import averaged_params
from ._constraints import constrain, constrain_max_norm, constrain_spectral_norm, constrain_unit_norm
from ._decay import decay_towards, with_decoupled_decay
from ._latest import latest_average
from ._merge import merge_params, merge_weights
from ._power import Snapshot, power_average, take_snapshots
from ._precision import with_float32_copy, with_stochastic_rounding
from ._proximal import prox_elastic_net, prox_group_lasso, prox_l1, proximal
from ._sam import sam_gradient
from ._shrink import add_elastic_net, add_l1, add_l2
from ._soup import Soup, greedy_soup
from ._swa import swa_schedule
from ._synthesis import synthesize_average
from ._thresholds import block_soft_threshold, elastic_net_threshold, soft_threshold
from ._with_proximal import with_elastic_net, with_group_lasso, with_l1, with_proximal

__all__ = [
    "Snapshot",
    "Soup",
    "add_elastic_net",
    "add_l1",
    "add_l2",
    "average_params",
    "averaged_params",
    "block_soft_threshold",
    "constrain",
    "constrain_max_norm",
    "constrain_spectral_norm",
    "constrain_unit_norm",
    "decay_towards",
    "elastic_net_threshold",
    "greedy_soup",
    "kernels",
    "latest_average",
    "matching",
    "merge_params",
    "merge_weights",
    "power_average",
    "prox_elastic_net",
    "prox_group_lasso",
    "prox_l1",
    "proximal",
    "sam_gradient",
    "soft_threshold",
    "swa_schedule",
    "synthesize_average",
    "take_snapshots",
    "with_decoupled_decay",
    "with_elastic_net",
    "with_float32_copy",
    "with_group_lasso",
    "with_l1",
    "with_proximal",
    "with_stochastic_rounding",
]
