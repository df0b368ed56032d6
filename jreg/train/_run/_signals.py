"""Stop a run when asked to: the signal only sets a flag, which the loop reads between steps.

A loader that hangs would keep the loop from reading it: a request that has become urgent is raised inside the loader.
"""

from __future__ import annotations

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
    """A run was asked to stop, has saved, and exits with the status that shells give to the signal.

    It is a `SystemExit` with code 128 + signal: 143 after SIGTERM, 130 after SIGINT. A plain script ends with that; a
    notebook stays alive. Catch it to continue.

    Attributes:
      signum: the number of the signal.
      result: what the run would have returned.

    >>> from jreg import train
    >>> train.Interrupted(15).code
    143
    """

    def __init__(self, signum: int, result: Any = None) -> None:
        super().__init__(128 + signum)
        self.signum = signum
        self.result = result


class UrgentError(KeyboardInterrupt):
    """Raised inside a loader that must not be waited for any longer. Loaders know it as Ctrl-C."""


class Requests:
    """The first signal that asked the run to stop, or None, and whether it has become urgent."""

    def __init__(self, grace: float) -> None:
        self.signum: int | None = None
        self.is_urgent = False
        self._is_loading = False
        self._is_nudged = False
        self._timer = threading.Timer(grace, self._nudge)
        self._timer.daemon = True
        self._open = threading.Lock()

    def agreed(self, step: int) -> bool:
        """Whether to stop at this step. Several processes stop together, at the SIGTERM that jax reports to them."""
        if jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step):
            self.signum = signal.SIGTERM
        return self.signum is not None

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While a loader is waited for, an urgent request is raised at once."""
        self._is_loading = True
        try:
            self.raise_if_urgent()
            yield
        finally:
            self._is_loading = False

    def hear(self, signum: int) -> bool:
        """Take in a signal; tell whether it came from outside."""
        if self._is_nudged:
            self._is_nudged = False
            self.raise_if_urgent()
            return False
        if self.signum is None:
            self.signum = signum
            if signum == signal.SIGTERM:
                self._timer.start()
        elif signum == signal.SIGINT:
            self.is_urgent = True
        return True

    def close(self) -> None:
        with self._open:
            self._timer.cancel()
            self._is_loading = False

    def raise_if_urgent(self) -> None:
        if self.is_urgent and self._is_loading:
            self._is_loading = False
            raise UrgentError

    def _nudge(self) -> None:
        """Wake the main thread, which alone runs handlers, from the call in which it waits."""
        self.is_urgent = True
        with self._open:
            if self._is_loading:
                self._is_nudged = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


@contextmanager
def listening(grace: float = 30.0) -> Iterator[Requests]:
    """Take SIGTERM and SIGINT as requests to stop; the former handlers are called too, and put back afterwards.

    Python allows handlers in the main thread alone. Elsewhere nothing is installed, nor with several processes, to
    which jax reports a SIGTERM. A signal that is ignored stays ignored.
    """
    requests = Requests(grace)
    former = {}

    def note(signum: int, frame: FrameType | None) -> None:
        handler = former[signum]
        if requests.hear(signum) and callable(handler) and handler is not signal.default_int_handler:
            handler(signum, frame)
        requests.raise_if_urgent()

    try:
        for signum in _signals_to_take():
            former[signum] = signal.getsignal(signum)
            signal.signal(signum, note)
        yield requests
    finally:
        requests.close()
        for signum, handler in former.items():
            signal.signal(signum, handler)


def _signals_to_take() -> list[signal.Signals]:
    if threading.current_thread() is not threading.main_thread() or jax.process_count() > 1:
        return []
    # A handler that was not installed from Python reads as None, and could not be put back.
    return [signum for signum in LISTENED if signal.getsignal(signum) not in (signal.SIG_IGN, None)]
