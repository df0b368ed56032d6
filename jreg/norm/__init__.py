"""Normalization with its statistics in the open: state in, state out."""

from ._inputs import BatchNormParams as BatchNormParams
from ._inputs import BatchNormStats as BatchNormStats
from ._batch_norm import batch_norm as batch_norm
from ._batch_norm import batch_norm_inference as batch_norm_inference
from ._batch_norm import init_batch_norm as init_batch_norm
from ._renorm import batch_renorm as batch_renorm
from ._running import debiased_decay as debiased_decay
from ._running import recalibrate as recalibrate
from ._weights import init_spectral_vector as init_spectral_vector
from ._weights import init_weight_norm as init_weight_norm
from ._weights import spectral_normalize as spectral_normalize
from ._weights import standardize_weights as standardize_weights
from ._weights import weight_normalize as weight_normalize
