"""Noise on activations, weights and residual branches: `(key, x, rate) -> x`, and None for no noise."""

from ._alpha import alpha_dropout as alpha_dropout
from ._concrete import concrete_dropout as concrete_dropout
from ._concrete import concrete_regularizer as concrete_regularizer
from ._depth import depth_rates as depth_rates
from ._depth import stochastic_depth as stochastic_depth
from ._dropblock import dropblock as dropblock
from ._dropconnect import dropconnect as dropconnect
from ._dropconnect_dense import dropconnect_dense as dropconnect_dense
from ._dropconnect_dense import dropconnect_moments as dropconnect_moments
from ._dropout import dropout as dropout
from ._dropout import spatial_dropout as spatial_dropout
from ._gaussian import gaussian_dropout as gaussian_dropout
from ._gaussian import gaussian_noise as gaussian_noise
from ._patch import patch_dropout as patch_dropout
from ._recurrent import variational_dropout as variational_dropout
from ._recurrent import zoneout as zoneout
from ._residual import residual as residual
from ._shakedrop import shakedrop as shakedrop
from ._weight_noise import weight_noise as weight_noise
