"""Normalization with its statistics in the open: state in, state out."""

from ._inputs import BatchNormParams, BatchNormStats
from ._batch_norm import batch_norm, batch_norm_inference, init_batch_norm
from ._renorm import batch_renorm
from ._running import debiased_decay, recalibrate
from ._weights import init_spectral_vector, init_weight_norm, spectral_normalize, standardize_weights, weight_normalize

__all__ = [
    "BatchNormParams",
    "BatchNormStats",
    "batch_norm",
    "batch_norm_inference",
    "batch_renorm",
    "debiased_decay",
    "init_batch_norm",
    "init_spectral_vector",
    "init_weight_norm",
    "recalibrate",
    "spectral_normalize",
    "standardize_weights",
    "weight_normalize",
]
