"""What two learning curves say of a run: its state, since when, by what evidence, and what to try first."""

from ._curves import History, curves, read_pair
from ._diagnosis import Diagnosis

__all__ = ["Diagnosis", "History", "curves", "read_pair"]
