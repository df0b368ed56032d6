"""What a run shows while it runs: a bar on a terminal, a line per epoch elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax

from ..._core.extras import is_there
from .._event import Event


class Display:
    """Shows nothing; its subclasses show more."""

    def __init__(self, epochs: int, first_step: int, steps_per_epoch: int | None) -> None:
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.first_step = first_step
        self.begin = time.monotonic()

    def show(self, event: Event) -> None:
        """Take in an event."""

    def say(self, line: str) -> None:
        """Show a line of text."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Lines(Display):
    """A line per epoch, for logs."""

    def show(self, event: Event) -> None:
        if event.kind == "epoch":
            line = f"epoch {event.epoch + 1} of {self.epochs}, step {event.step}, {text(event)}{self._left(event)}"
            print(line, flush=True)

    def say(self, line: str) -> None:
        print(line, flush=True)

    def _left(self, event: Event) -> str:
        per_step = (time.monotonic() - self.begin) / max(event.step - self.first_step, 1)
        steps_left = (self.epochs - event.epoch - 1) * event.step / (event.epoch + 1)
        return f", {per_step * steps_left:.0f} s left" if steps_left else ""


class Bar(Display):
    """A bar with the time left, one line above it per epoch."""

    def __init__(self, epochs: int, first_step: int, steps_per_epoch: int | None) -> None:
        from rich import progress

        super().__init__(epochs, first_step, steps_per_epoch)
        columns = (
            progress.TextColumn("epoch {task.fields[epoch]} of {task.fields[epochs]}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[text]}"),
        )
        self.last_epoch: dict[str, float] = {}
        self.bar = progress.Progress(*columns)
        self.task = self.bar.add_task("", total=self._total(), completed=first_step, epoch=1, epochs=epochs, text="")
        self.bar.start()

    def show(self, event: Event) -> None:
        if event.kind == "epoch":
            self.steps_per_epoch = max(event.step // (event.epoch + 1), 1)
            self.bar.console.print(f"epoch {event.epoch + 1}, step {event.step}, {text(event)}", highlight=False)
            self.last_epoch = {name: value for name, value in event.metrics.items() if name in ("gap", "best")}
        shown = text(event._replace(metrics=event.metrics | self.last_epoch)) if event.kind == "step" else ""
        self.bar.update(self.task, completed=event.step, epoch=event.epoch + 1, text=shown, total=self._total())

    def say(self, line: str) -> None:
        self.bar.console.print(line, highlight=False)

    def close(self) -> None:
        self.bar.stop()

    def _total(self) -> int | None:
        return self.steps_per_epoch and self.steps_per_epoch * self.epochs


def text(event: Event) -> str:
    """The numbers of an event in one line."""
    numbers = (f"{name.removeprefix('step/').replace('/', ' ')} {value:.5g}" for name, value in event.metrics.items())
    return ", ".join(numbers)


@contextmanager
def display(wanted: bool, *args: Any) -> Iterator[Display]:
    """The display that fits: nothing where it is not wanted or in all but the first process of a distributed run."""
    is_silent = not wanted or jax.process_index() != 0
    audible = Bar if sys.stdout.isatty() and is_there("rich") else Lines
    shown = (Display if is_silent else audible)(*args)
    try:
        yield shown
    finally:
        shown.close()
