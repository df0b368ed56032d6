"""Leave a run when asked to: the signal only raises a flag, which the loop reads between steps."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import jax
from jax.experimental import multihost_utils

LISTENED = (signal.SIGTERM, signal.SIGINT)


class Interrupted(SystemExit):
    """A run was asked to leave, has saved, and leaves with the status that shells give to the signal.

    It is a `SystemExit` with code 128 + signal: 143 after SIGTERM, 130 after SIGINT. A plain script ends with that; a
    notebook stays alive. To go on after it, catch it: `result` is what the run would have returned.

    >>> from jreg import train
    >>> train.Interrupted(15).code
    143
    """

    def __init__(self, signum: int, result: Any = None) -> None:
        super().__init__(128 + signum)
        self.signum = signum
        self.result = result


class Requests:
    """The first signal that asked to leave, or None."""

    def __init__(self) -> None:
        self.signum: int | None = None

    def agreed(self, step: int) -> bool:
        """Whether to leave at this step. Several processes leave together, for the SIGTERM that jax tells them of."""
        if jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step):
            self.signum = signal.SIGTERM
        return self.signum is not None


@contextmanager
def listening() -> Iterator[Requests]:
    """Take SIGTERM and SIGINT as requests to leave; the handlers that were there are called too, and put back after.

    Python allows handlers in the main thread alone: elsewhere nothing is installed, nor where there are several
    processes, which jax tells of a SIGTERM. A signal that is ignored stays so.
    """
    requests = Requests()
    former = {}

    def note(signum: int, frame: FrameType | None) -> None:
        requests.signum = requests.signum or signum
        handler = former[signum]
        if callable(handler) and handler is not signal.default_int_handler:
            handler(signum, frame)

    try:
        for signum in _signals_to_take():
            former[signum] = signal.getsignal(signum)
            signal.signal(signum, note)
        yield requests
    finally:
        for signum, handler in former.items():
            signal.signal(signum, handler)


def _signals_to_take() -> list[signal.Signals]:
    if threading.current_thread() is not threading.main_thread() or jax.process_count() > 1:
        return []
    # A handler that was not installed from Python reads as None, and could not be put back.
    return [signum for signum in LISTENED if signal.getsignal(signum) not in (signal.SIG_IGN, None)]
