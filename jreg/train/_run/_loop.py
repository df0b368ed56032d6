"""The epochs of a run on the host: feed the device, read it late, judge, save."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from math import inf, nan

import jax
import numpy as np

from ..._core.types import Tree
from .._state import TrainState
from .._stopping import update_stopping
from ._batches import opened, prefetched, size, skipped
from ._progress import Display, Event
from ._signals import Requests
from ._story import Plan, saved, started
from ._update import Report, beside, evaluated, update, zero_sums


class DivergedError(Exception):
    """The loop met numbers that are not finite and is to stop there."""


class Loop:
    """One run: the carry on the device, the story on the host, and what lies between them."""

    def __init__(self, plan: Plan, state: TrainState, requests: Requests) -> None:
        self.plan, self.requests = plan, requests
        self.story, self.carry, self.stopping = started(plan, state)
        self.first_epoch = self.story.epoch
        self.display: Display = Display(plan.epochs, 0, None)
        self.waiting: tuple[int, Report] | None = None

    def run(self, display: Display) -> str:
        """Go through the epochs that are left; tell how it ended."""
        self.display = display
        try:
            while self.story.epoch < self.plan.epochs and not self._should_stop():
                if not (self._train() and self._validate()):
                    return "interrupted"
                if self.requests.agreed(self.story.taken):
                    break
        except DivergedError:
            return "diverged"
        if self._should_stop():
            return "stopped early"
        return "finished" if self.story.epoch >= self.plan.epochs else "interrupted"

    def _train(self) -> bool:
        """Take the batches of an epoch; False if asked to leave within it."""
        for batch, is_last in prefetched(self._batches(), self.plan.sharding):
            self._take(batch)
            leaves = not is_last and self.requests.agreed(self.story.taken)
            is_due = not is_last and self.plan.save_every and self.story.taken % self.plan.save_every == 0
            if leaves or is_due:
                self._save({})
            if leaves:
                return False
        if not self.story.position:
            raise ValueError(
                f"run: train_batches must yield at least one batch in every epoch; in epoch {self.story.epoch} they "
                "are 0 steps per epoch. A generator serves one epoch alone: pass a list, a loader, or a function of "
                "the epoch, or steps_per_epoch"
            )
        return True

    def _take(self, batch: Tree) -> None:
        plan, story = self.plan, self.story
        size("train_batches", batch)
        if not self.carry.sums:
            sums = zero_sums(plan.step, self.carry.state, plan.key, batch, plan.hyper)
            self.carry = self.carry._replace(sums=beside(self.carry.state, sums))
        self.carry, report = update(self.carry, plan.key, batch, plan.hyper, step=plan.step, non_finite=plan.non_finite)
        story.position += 1
        story.taken += 1
        if story.taken % plan.log_every == 0:
            self._read_waiting()
            self.waiting = story.taken, report

    def _batches(self) -> Iterator[Tree]:
        plan, story = self.plan, self.story
        batches = opened(plan.train_batches, story.epoch)
        is_stream = batches is plan.train_batches
        used_before = story.epoch * (plan.steps_per_epoch or 0) if is_stream and story.epoch == self.first_epoch else 0
        batches = skipped(batches, used_before + story.position)
        return batches if plan.steps_per_epoch is None else islice(batches, plan.steps_per_epoch - story.position)

    def _validate(self) -> bool:
        """End an epoch: measure, judge, save; False if asked to leave before the measure is complete."""
        plan, story = self.plan, self.story
        measured = []
        for batch, is_last in prefetched(opened(plan.valid_batches, story.epoch), plan.sharding):
            metrics = evaluated(self.carry.state, batch, plan.hyper, evaluate=plan.evaluate)
            measured.append((size("valid_batches", batch), metrics))
            if not is_last and self.requests.signum is not None:
                self._save({})
                return False
        metrics = _weighted_mean(measured, story.epoch)
        self._settle()
        self._judge(metrics)
        self._close_epoch(metrics)
        self._save(metrics)
        return True

    def _judge(self, metrics: dict[str, float]) -> None:
        plan = self.plan
        if plan.monitor not in metrics:
            raise KeyError(
                f"run: monitor must be one of the validation metrics {sorted(metrics)}; got {plan.monitor!r}"
            )
        # No value yet is NaN by design.
        with jax.debug_nans(False):
            value = np.float32(metrics[plan.monitor])
            state = self.carry.state
            self.stopping = _judged(self.stopping, value, state, plan.patience, plan.min_delta, mode=plan.mode)

    def _close_epoch(self, valid_metrics: dict[str, float]) -> None:
        story, monitor = self.story, self.plan.monitor
        sums, num_good = jax.device_get((self.carry.sums, self.carry.num_good))
        means = {name: float(total / np.float32(num_good)) if num_good else nan for name, total in sums.items()}
        _append(story.train_history, means)
        _append(story.valid_history, valid_metrics)
        zeros = beside(self.carry.state, ({name: np.float32(0.0) for name in sums}, np.int32(0)))
        self.carry = self.carry._replace(sums=zeros[0], num_good=zeros[1])
        shown = {f"train/{name}": value for name, value in means.items()}
        shown |= {f"valid/{name}": value for name, value in valid_metrics.items()}
        if monitor in means:
            shown["gap"] = valid_metrics[monitor] - means[monitor]
        shown["best"] = float(self.stopping.best_value)
        if num_bad := int(self.carry.num_bad):
            shown["skipped"] = float(num_bad)
        self._tell(Event("epoch", story.taken, story.epoch, shown))
        story.epoch, story.position = story.epoch + 1, 0

    def _save(self, metrics: dict[str, float]) -> None:
        self._settle()
        saved(self.plan, self.story, self.carry, self.stopping, metrics)

    def _settle(self) -> None:
        """Read all that the device has to say up to here, so that nothing is kept of a state that is not finite."""
        self._read_waiting()
        self._check(int(self.carry.first_bad))

    def _read_waiting(self) -> None:
        """Read a report that is some steps old, so that the device need not wait for the host."""
        if self.waiting is None:
            return
        (step, report), self.waiting = self.waiting, None
        report = jax.device_get(report)
        self._check(int(report.first_bad))
        metrics = {f"step/{name}": float(value) for name, value in report.metrics.items()}
        self._tell(Event("step", step, self.story.epoch, metrics))

    def _check(self, first_bad: int) -> None:
        if first_bad < 0 or self.plan.non_finite == "skip":
            return
        if self.plan.non_finite == "raise":
            raise FloatingPointError(
                f"run: the loss, the parameters or the states must be finite; step {first_bad} (counted from 0, in or "
                f"before epoch {self.story.epoch}) gave some that are not. Its key is fold_in(key, {first_bad})"
            )
        raise DivergedError

    def _tell(self, event: Event) -> None:
        self.display.show(event)
        if self.plan.callback is not None:
            self.plan.callback(event)

    def _should_stop(self) -> bool:
        return self.plan.patience < inf and bool(self.stopping.should_stop)


_judged = partial(jax.jit, static_argnames="mode")(update_stopping)


def _append(history: dict[str, list[float]], metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        history.setdefault(name, []).append(value)


def _weighted_mean(measured: list[tuple[int, dict[str, jax.Array]]], epoch: int) -> dict[str, float]:
    """The mean over all examples: a short last batch counts for as many as it has."""
    if not measured:
        raise ValueError(
            f"run: valid_batches must yield at least one batch; in epoch {epoch} they yield none. "
            "A generator serves one epoch alone: pass a list, a loader, or a function of the epoch"
        )
    fetched, total = jax.device_get(measured), sum(count for count, _ in measured)
    mean = {name: sum(count * float(metrics[name]) for count, metrics in fetched) / total for name in fetched[0][1]}
    return {name: float(np.float32(value)) for name, value in mean.items()}
