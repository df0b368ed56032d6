"""Normalization with its statistics in the open: state in, state out."""

from ._batch_norm import BatchNormParams as BatchNormParams
from ._batch_norm import BatchNormStats as BatchNormStats
from ._batch_norm import batch_norm as batch_norm
from ._batch_norm import batch_norm_inference as batch_norm_inference
from ._batch_norm import init_batch_norm as init_batch_norm
