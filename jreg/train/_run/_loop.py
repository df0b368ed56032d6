"""The epochs of a run on the host: feed the device, read it late, judge, save."""

import signal
from collections.abc import Iterator
from functools import partial
from itertools import islice
from math import inf, nan

import jax
import numpy as np

from ..._core.types import Tree
from .._state import TrainState
from .._stopping import update_stopping
from ._batches import END, Batches, opened, prefetched, size, skipped
from ._measure import weighted_mean
from ._progress import Display, Event
from ._resume import saved, started
from ._signals import Requests, UrgentError
from ._story import Plan
from ._update import Report, beside, evaluated, update, zero_sums
from ._watch import Watch


class DivergedError(Exception):
    """The loop met numbers that are not finite and is to stop there."""


class Loop:
    """One run: the carry on the device, the story on the host, and what lies between them."""

    def __init__(self, plan: Plan, state: TrainState, requests: Requests, watch: Watch) -> None:
        self.plan, self.requests, self.watch = plan, requests, watch
        watch.waits_for("its checkpoint")
        self.story, self.carry, self.stopping, self.is_resumed = started(plan, state)
        self.first_epoch = self.story.epoch
        self.saved_at = self._place() if self.is_resumed else None
        self.display: Display = Display(plan.epochs, 0, None)
        self.waiting: tuple[int, Report] | None = None

    def run(self, display: Display) -> str:
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
            self._say(f"asked to leave by {name}, " + ("not saved" if self.saved_at is None else "saved"))
        return status

    def _run(self) -> str:
        try:
            while self.story.epoch < self.plan.epochs and not self._should_stop():
                if not (self._train() and self._validate()):
                    return "interrupted"
                if self._is_asked():
                    break
        except DivergedError:
            return "diverged"
        if self.plan.non_finite == "skip" and self.story.epoch and not self.story.num_good_before:
            return "diverged"
        if self._should_stop():
            return "stopped early"
        return "finished" if self.story.epoch >= self.plan.epochs else "interrupted"

    def _rescue(self, error: Exception) -> None:
        """Save what is good before an error goes on; in several processes the others would not come to the save."""
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
        """Take the batches of an epoch; False if asked to leave within it."""
        for batch, is_last in prefetched(self._batches(), self.plan.sharding):
            self._take(batch)
            leaves = not is_last and self._is_asked()
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
        self.watch.waits_for(f"step {story.taken} to begin")
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
        is_stream = isinstance(plan.train_batches, Iterator)
        used = story.taken - story.begun if is_stream and story.epoch == self.first_epoch else story.position
        batches = skipped(self._fetched("train_batches", plan.train_batches), used)
        return batches if plan.steps_per_epoch is None else islice(batches, plan.steps_per_epoch - story.position)

    def _fetched(self, name: str, given: Batches) -> Iterator[Tree]:
        """The batches of an epoch, each waited for where an urgent request to leave is heard."""
        story = self.story
        batches, batch = None, None
        while batch is not END:
            self.watch.waits_for(f"a batch of {name} in epoch {story.epoch + 1}, after step {story.taken}")
            with self.requests.loading():
                batches = opened(given, story.epoch) if batches is None else batches
                batch = next(batches, END)
            if batch is not END:
                yield batch

    def _validate(self) -> bool:
        """End an epoch: measure, judge, save; False if asked to leave before the measure is complete."""
        plan, story = self.plan, self.story
        measured = []
        for batch, is_last in prefetched(self._fetched("valid_batches", plan.valid_batches), plan.sharding):
            self.watch.waits_for(f"the validation of epoch {story.epoch + 1}")
            count = size("valid_batches", batch)
            measured.append((count, evaluated(self.carry.state, batch, plan.hyper, evaluate=plan.evaluate)))
            if not is_last and self.requests.signum is not None:
                self._save({})
                return False
        self.watch.waits_for(f"the validation of epoch {story.epoch + 1}")
        metrics = weighted_mean(measured, story.epoch)
        self._settle()
        self._judge(metrics)
        event = self._close_epoch(metrics)
        self._save(metrics)
        self._tell(event)
        return True

    def _judge(self, metrics: dict[str, float]) -> None:
        plan = self.plan
        if plan.monitor not in metrics:
            raise ValueError(
                f"run: monitor must be one of the validation metrics {sorted(metrics)}; got {plan.monitor!r}"
            )
        # No value yet is NaN by design.
        with jax.debug_nans(False):
            value = np.float32(metrics[plan.monitor])
            state = self.carry.state
            self.stopping = _judged(self.stopping, value, state, plan.patience, plan.min_delta, mode=plan.mode)

    def _close_epoch(self, valid_metrics: dict[str, float]) -> Event:
        story, monitor = self.story, self.plan.monitor
        sums, num_good = jax.device_get((self.carry.sums, self.carry.num_good))
        means = {name: float(total / np.float32(num_good)) if num_good else nan for name, total in sums.items()}
        zeros = beside(self.carry.state, ({name: np.float32(0.0) for name in sums}, np.int32(0)))
        self.carry = self.carry._replace(sums=zeros[0], num_good=zeros[1])
        shown = {f"train/{name}": value for name, value in means.items()}
        shown |= {f"valid/{name}": value for name, value in valid_metrics.items()}
        story.history.append(shown)
        if monitor in means:
            shown["gap"] = valid_metrics[monitor] - means[monitor]
        shown["best"] = float(self.stopping.best_value)
        if num_bad := int(self.carry.num_bad):
            shown["skipped"] = float(num_bad)
        event = Event("epoch", story.taken, story.epoch, shown)
        story.epoch, story.position, story.num_good_before = story.epoch + 1, 0, int(num_good)
        return event

    def _save(self, metrics: dict[str, float]) -> None:
        self._settle()
        self.watch.waits_for(f"the save of step {self.story.taken}")
        saved(self.plan, self.story, self.carry, self.stopping, metrics)
        if self.plan.checkpoints is not None:
            self.saved_at = self._place()

    def _settle(self) -> None:
        """Read all that the device has to say up to here, so that nothing is kept of a state that is not finite."""
        self._read_waiting()
        self.watch.waits_for(f"step {self.story.taken} to end")
        self._check(int(self.carry.first_bad))

    def _read_waiting(self) -> None:
        """Read a report that is some steps old, so that the device need not wait for the host."""
        if self.waiting is None:
            return
        (step, report), self.waiting = self.waiting, None
        self.watch.waits_for(f"the numbers of step {step}")
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
            self.watch.waits_for(f"the callback, with an event of step {event.step}")
            self.plan.callback(event)

    def _say(self, what: str) -> None:
        self.display.say(f"{what} at step {self.story.taken}, epoch {self.story.epoch + 1}")

    def _place(self) -> tuple[int, int, int]:
        return self.story.taken, self.story.epoch, self.story.position

    def _is_asked(self) -> bool:
        self.watch.waits_for(f"the processes to agree whether to leave at step {self.story.taken}")
        return self.requests.agreed(self.story.taken)

    def _should_stop(self) -> bool:
        return self.plan.patience < inf and bool(self.stopping.should_stop)


_judged = partial(jax.jit, static_argnames="mode")(update_stopping)
