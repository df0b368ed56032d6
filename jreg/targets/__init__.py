"""Softer targets, and losses that do not store them."""

from ._smoothing import smooth_labels as smooth_labels
from ._smoothing import smoothed_cross_entropy as smoothed_cross_entropy
