"""What callbacks are told, by `fit` and by `run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from .._core.checks import Checks


class Event(NamedTuple):
    """What a callback is called with: numbers of one step or of one epoch.

    Attributes:
      kind: "step" or "epoch".
      step: the batches taken in the whole run.
      epoch: the epoch, counted from 0.
      metrics: of a step its metrics ("step/loss", ...). Of an epoch the means over its steps ("train/loss"), the
        validation metrics ("valid/loss"), their difference where both have the monitored one ("gap"), the best so far
        ("best"), and the batches skipped, if any ("skipped").
    """

    kind: Literal["step", "epoch"]
    step: int
    epoch: int
    metrics: dict[str, float]


Callback: TypeAlias = Callable[[Event], Any]


def callbacks_of(check: Checks, given: Any) -> tuple[Callback, ...]:
    """One function of an event, a list of them, or None."""
    listed = given if isinstance(given, list | tuple) else () if given is None else (given,)
    return tuple(check.called("callback", each, "(event) -> None, or a list of them") for each in listed)


def of_epoch(means: Mapping[str, float], valid: Mapping[str, float], monitor: str, best: float) -> dict[str, float]:
    """The metrics of an epoch's event."""
    shown = {f"train/{name}": value for name, value in means.items()}
    shown |= {f"valid/{name}": value for name, value in valid.items()}
    gap = {"gap": valid[monitor] - means[monitor]} if monitor in means else {}
    return {**shown, **gap, "best": best}
