"""The epochs of a run on the host: feed the device, read it late, judge, save."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial
from itertools import islice
from math import inf, nan
from typing import Literal, TypeAlias

import jax
import numpy as np

from ..._core.checks import Checks
from ..._core.types import Tree
from .._contract import monitored
from .._event import Event, of_epoch
from .._plateau import has_plateau, update_plateau
from .._schedule import at_epoch
from .._state import TrainState
from .._stopping import update_stopping
from ._batches import END, Batches, Fetched, opened, prefetched, require_as_many, size
from ._non_finite import DivergedError, require_finite
from ._place import place_of, put
from ._plan import Plan
from ._progress import Display
from ._resume import begin_or_resume, save
from ._signals import Requests, UrgentError
from ._stall import Watch
from ._update import Report, beside, update, zero_sums
from ._validation import evaluated, to_judge, weighted_mean

CHECK = Checks("run")
Status: TypeAlias = Literal["finished", "stopped early", "interrupted", "diverged"]


class Loop:
    """One run: the carry on the device, the record on the host, and what lies between them."""

    def __init__(self, plan: Plan, state: TrainState, requests: Requests, watch: Watch) -> None:
        self.plan, self.requests, self.watch = plan, requests, watch
        watch.waits_for("its checkpoint")
        self.record, self.carry, self.stopping, self.is_resumed = begin_or_resume(plan, state)
        self.first_epoch = self.record.epoch
        self.saved_at = self._place() if self.is_resumed else None
        self.display: Display = Display(plan.epochs, 0, None)
        self.waiting: tuple[int, Report] | None = None
        self.hyper = plan.hyper
        """With the numbers of the current epoch."""

    def run(self, display: Display) -> Status:
        """Go through the epochs that are left; tell how it ended."""
        self.display = display
        if self.is_resumed:
            self._say("resumed")
        try:
            status = self._run()
        except UrgentError:
            self._save({})
            status = "interrupted"
        except Exception as error:
            self._rescue(error)
            raise
        if self.requests.signum is not None:
            name = signal.Signals(self.requests.signum).name
            self._say(f"asked to stop by {name}, " + ("not saved" if self.saved_at is None else "saved"))
        return status

    def _run(self) -> Status:
        try:
            while self.record.epoch < self.plan.epochs and not self._should_stop():
                self.hyper = at_epoch(CHECK, self.plan.hyper, np.int32(self.record.epoch))
                if not (self._train() and self._validate()):
                    return "interrupted"
                if self._is_asked():
                    break
        except DivergedError:
            return "diverged"
        if self.plan.non_finite == "skip" and self.record.epoch and not self.record.num_good_before:
            return "diverged"
        if self._should_stop():
            return "stopped early"
        return "finished" if self.record.epoch >= self.plan.epochs else "interrupted"

    def _rescue(self, error: Exception) -> None:
        """Save what is good before an error is raised on; with several processes the others would not join the save."""
        leaves = jax.tree.leaves(self.carry)
        if jax.process_count() > 1 or self.saved_at == self._place() or any(leaf.is_deleted() for leaf in leaves):
            return
        self.waiting = None
        try:
            if self.plan.non_finite == "skip" or int(self.carry.first_bad) < 0:
                self._save({})
        except Exception as another:
            error.add_note(f"run: nor could the state be saved: {another!r}")

    def _train(self) -> bool:
        """Take the batches of an epoch; False if asked to stop within it."""
        for fetched, is_last in prefetched(self._batches(), self.plan.sharding):
            self._take(fetched.batch)
            self.record.place = fetched.place
            stops = not is_last and self._is_asked()
            is_due = not is_last and self.plan.save_every and self.record.taken % self.plan.save_every == 0
            if stops or is_due:
                self._save({})
            if stops:
                return False
        if not self.record.position:
            raise ValueError(
                f"run: train_batches must yield at least one batch in every epoch; in epoch {self.record.epoch} they "
                "are 0 steps per epoch. A generator serves one epoch alone: pass a list, a loader, or a function of "
                "the epoch, or steps_per_epoch"
            )
        return True

    def _take(self, batch: Tree) -> None:
        plan, record = self.plan, self.record
        size("train_batches", batch)
        self.watch.waits_for(f"step {record.taken} to begin")
        if not self.carry.sums:
            sums = zero_sums(plan.step, self.carry.state, plan.key, batch, self.hyper)
            self.carry = self.carry._replace(sums=beside(self.carry.state, sums))
        self.carry, report = update(self.carry, plan.key, batch, self.hyper, step=plan.step, non_finite=plan.non_finite)
        record.position += 1
        record.taken += 1
        if record.taken % plan.log_every == 0:
            self._read_waiting()
            self.waiting = record.taken, report

    def _batches(self) -> Iterator[Fetched]:
        """The batches that are left of an epoch: a loader that can, goes there itself; others give all again."""
        plan, record = self.plan, self.record
        is_stream = isinstance(plan.train_batches, Iterator)
        used = record.taken - record.begun if is_stream and record.epoch == self.first_epoch else record.position
        batches = self._fetched("train_batches", plan.train_batches, used)
        return batches if plan.steps_per_epoch is None else islice(batches, plan.steps_per_epoch - record.position)

    def _fetched(
        self, name: Literal["train_batches", "valid_batches"], given: Batches, used: int = 0
    ) -> Iterator[Fetched]:
        """The batches of an epoch after those used; an urgent request to stop is heard while one is waited for."""
        record = self.record
        batches, batch, position = None, None, 0
        while batch is not END:
            self.watch.waits_for(f"a batch of {name} in epoch {record.epoch + 1}, after step {record.taken}")
            with self.requests.loading():
                if batches is None:
                    batches = opened(given, record.epoch)
                    position = used if used and put(batches, record.place) else 0
                batch = next(batches, END)
                place = place_of(batches) if name == "train_batches" and self.plan.checkpoints else None
            require_as_many(used, position, batch)
            if batch is not END and position >= used:
                yield Fetched(batch, place)
            position += 1

    def _validate(self) -> bool:
        """End an epoch: measure, judge, save; False if asked to stop before the measure is complete."""
        plan, record = self.plan, self.record
        measured, state = [], to_judge(self.carry.state, plan.validated)
        for (batch, _), is_last in prefetched(self._fetched("valid_batches", plan.valid_batches), plan.sharding):
            self.watch.waits_for(f"the validation of epoch {record.epoch + 1}")
            measured.append((size("valid_batches", batch), evaluated(state, batch, self.hyper, evaluate=plan.evaluate)))
            if not is_last and self.requests.signum is not None:
                self._save({})
                return False
        self.watch.waits_for(f"the validation of epoch {record.epoch + 1}")
        metrics = weighted_mean(measured, record.epoch)
        self._settle()
        self._judge(metrics, state)
        event = self._close_epoch(metrics)
        self._save(metrics)
        self._tell(event)
        return True

    def _judge(self, metrics: dict[str, float], state: TrainState) -> None:
        """Judge the state that was validated, and tell the optimizer's state the value."""
        plan, given, value = self.plan, self.carry.state, np.float32(monitored(CHECK, metrics, self.plan.monitor))
        options = {"mode": plan.mode, "warmup": plan.warmup, "baseline": plan.baseline, "smoothing": plan.smoothing}
        # No value yet is NaN by design.
        with jax.debug_nans(False):
            self.stopping = _judged(self.stopping, value, state, plan.patience, plan.min_delta, **options)
            if has_plateau(given.opt_state):
                told = _told(given.opt_state, value, mode=plan.mode)
                self.carry = self.carry._replace(state=given._replace(opt_state=told))

    def _close_epoch(self, valid_metrics: dict[str, float]) -> Event:
        record, monitor = self.record, self.plan.monitor
        sums, num_good = jax.device_get((self.carry.sums, self.carry.num_good))
        means = {name: float(total / np.float32(num_good)) if num_good else nan for name, total in sums.items()}
        zeros = beside(self.carry.state, ({name: np.float32(0.0) for name in sums}, np.int32(0)))
        self.carry = self.carry._replace(sums=zeros[0], num_good=zeros[1])
        shown = of_epoch(means, valid_metrics, monitor, float(self.stopping.best_value))
        record.history.append({name: value for name, value in shown.items() if "/" in name})
        if num_bad := int(self.carry.num_bad):
            shown["skipped"] = float(num_bad)
        event = Event("epoch", record.taken, record.epoch, shown)
        record.epoch, record.position, record.num_good_before = record.epoch + 1, 0, int(num_good)
        return event

    def _save(self, metrics: dict[str, float]) -> None:
        self._settle()
        self.watch.waits_for(f"the save of step {self.record.taken}")
        save(self.plan, self.record, self.carry, self.stopping, metrics)
        if self.plan.checkpoints is not None:
            self.saved_at = self._place()

    def _settle(self) -> None:
        """Read all that the device has to say up to here, so that no state that is not finite is kept."""
        self._read_waiting()
        self.watch.waits_for(f"step {self.record.taken} to end")
        require_finite(int(self.carry.first_bad), self.plan.non_finite, self.record.epoch)

    def _read_waiting(self) -> None:
        """Read a report that is some steps old, so that the device need not wait for the host."""
        if self.waiting is None:
            return
        (step, report), self.waiting = self.waiting, None
        self.watch.waits_for(f"the numbers of step {step}")
        report = jax.device_get(report)
        require_finite(int(report.first_bad), self.plan.non_finite, self.record.epoch)
        metrics = {f"step/{name}": float(value) for name, value in report.metrics.items()}
        self._tell(Event("step", step, self.record.epoch, metrics))

    def _tell(self, event: Event) -> None:
        self.display.show(event)
        for callback in self.plan.callbacks:
            self.watch.waits_for(f"the callback, with an event of step {event.step}")
            callback(event)

    def _say(self, what: str) -> None:
        self.display.say(f"{what} at step {self.record.taken}, epoch {self.record.epoch + 1}")

    def _place(self) -> tuple[int, int, int]:
        return self.record.taken, self.record.epoch, self.record.position

    def _is_asked(self) -> bool:
        self.watch.waits_for(f"the processes to agree whether to stop at step {self.record.taken}")
        return self.requests.agreed(self.record.taken)

    def _should_stop(self) -> bool:
        return self.plan.patience < inf and bool(self.stopping.should_stop)


_judged = partial(jax.jit, static_argnames="mode")(update_stopping)
_told = partial(jax.jit, static_argnames="mode")(update_plateau)
