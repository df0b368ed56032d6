"""The host loop: batches from anywhere, progress, signals, resume."""

from ._run import RunResult as RunResult
from ._run import run as run
from ._signals import Interrupted as Interrupted
