"""Softer targets, and losses that do not store them. Focal losses are in optax."""

from ._confidence import confidence_penalty
from ._consistency import consistency
from ._cross_entropy import smoothed_cross_entropy
from ._distillation import distillation
from ._smoothing import smooth_binary_labels, smooth_labels

__all__ = [
    "confidence_penalty",
    "consistency",
    "distillation",
    "smooth_binary_labels",
    "smooth_labels",
    "smoothed_cross_entropy",
]
