"""Checkpoints that are whole or not there."""

from ._checkpoint import Checkpoints as Checkpoints
from ._restore import Checkpoint as Checkpoint
