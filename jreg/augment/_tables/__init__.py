"""Transforms of tables."""

from ._feature_mixup import feature_mixup as feature_mixup
from ._tabular import smote as smote
from ._tabular import swap_noise as swap_noise
