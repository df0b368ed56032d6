"""Regularizers of the weights as optax transformations: they compose with any optax chain.

Where each belongs: `add_l1` and `add_l2` before the optimizer (they change the gradient), `with_decoupled_decay` around
it, `prox_l1` after it (it acts on the weights that the step would reach).
"""

from .._core.trees import kernels as kernels
from .._core.trees import matching as matching
from ._decay import with_decoupled_decay as with_decoupled_decay
from ._proximal import prox_l1 as prox_l1
from ._proximal import proximal as proximal
from ._proximal import soft_threshold as soft_threshold
from ._shrink import add_l1 as add_l1
from ._shrink import add_l2 as add_l2
