"""Noise on activations, weights and residual branches: `(key, x, rate) -> x`, and None for no noise."""

from ._depth import depth_rates as depth_rates
from ._depth import stochastic_depth as stochastic_depth
from ._dropconnect import dropconnect as dropconnect
from ._dropout import dropout as dropout
from ._dropout import spatial_dropout as spatial_dropout
