"""Checkpoints that are whole or not there."""

from ._checkpoint import Checkpoint as Checkpoint
from ._checkpoint import Checkpoints as Checkpoints
