"""Noise on activations, weights and residual branches: `(key, x, rate) -> x`; a key of None means no noise."""

from ._alpha import alpha_dropout
from ._attention import attention
from ._concrete import concrete_dropout, concrete_regularizer
from ._depth import depth_rates, stochastic_depth
from ._dropblock import dropblock
from ._dropconnect import dropconnect
from ._dropconnect_dense import dropconnect_dense, dropconnect_moments
from ._dropout import dropout, spatial_dropout
from ._gaussian import gaussian_dropout, gaussian_noise
from ._patch import patch_dropout
from ._recurrent import variational_dropout, zoneout
from ._residual import residual
from ._shakedrop import shakedrop
from ._weight_noise import weight_noise

__all__ = [
    "alpha_dropout",
    "attention",
    "concrete_dropout",
    "concrete_regularizer",
    "depth_rates",
    "dropblock",
    "dropconnect",
    "dropconnect_dense",
    "dropconnect_moments",
    "dropout",
    "gaussian_dropout",
    "gaussian_noise",
    "patch_dropout",
    "residual",
    "shakedrop",
    "spatial_dropout",
    "stochastic_depth",
    "variational_dropout",
    "weight_noise",
    "zoneout",
]
