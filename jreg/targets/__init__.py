"""Softer targets, and losses that do not store them. Losses of the focal kind are in optax."""

from ._confidence import confidence_penalty as confidence_penalty
from ._consistency import consistency as consistency
from ._cross_entropy import smoothed_cross_entropy as smoothed_cross_entropy
from ._distillation import distillation as distillation
from ._smoothing import smooth_binary_labels as smooth_binary_labels
from ._smoothing import smooth_labels as smooth_labels
