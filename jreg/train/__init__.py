"""Training as pure functions: a step, a whole fit, a whole sweep in one program; and a host loop with checkpoints."""

from ._checkpoints import Checkpoint, Checkpoints
from ._ensemble import ensemble
from ._event import Event
from ._fit import fit
from ._grid import GridResults, grid, reshape_to_grid
from ._halving import Halving, Rung, halving
from ._plateau import reduce_on_plateau, update_plateau
from ._result import FitResult
from ._run import Interrupted, RunResult, run
from ._schedule import per_epoch, per_step
from ._state import TrainState, init_state
from ._step import make_eval, make_step
from ._stopping import Stopping, init_stopping, update_stopping
from ._sweep import sweep
from ._table import Table, tabulate

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "Event",
    "FitResult",
    "GridResults",
    "Halving",
    "Interrupted",
    "RunResult",
    "Rung",
    "Stopping",
    "Table",
    "TrainState",
    "ensemble",
    "fit",
    "grid",
    "halving",
    "init_state",
    "init_stopping",
    "make_eval",
    "make_step",
    "per_epoch",
    "per_step",
    "reduce_on_plateau",
    "reshape_to_grid",
    "run",
    "sweep",
    "tabulate",
    "update_plateau",
    "update_stopping",
]
