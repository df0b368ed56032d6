"""Training as pure functions: a step, a whole fit, a whole sweep in one program; and a host loop with checkpoints."""

from ._checkpoints import Checkpoint as Checkpoint
from ._checkpoints import Checkpoints as Checkpoints
from ._fit import FitResult as FitResult
from ._fit import fit as fit
from ._grid import GridResults as GridResults
from ._grid import grid as grid
from ._grid import reshape_to_grid as reshape_to_grid
from ._run import Event as Event
from ._run import Interrupted as Interrupted
from ._run import RunResult as RunResult
from ._run import run as run
from ._state import TrainState as TrainState
from ._state import init_state as init_state
from ._step import make_eval as make_eval
from ._step import make_step as make_step
from ._stopping import Stopping as Stopping
from ._stopping import init_stopping as init_stopping
from ._stopping import update_stopping as update_stopping
from ._sweep import sweep as sweep
from ._table import Table as Table
from ._table import tabulate as tabulate
