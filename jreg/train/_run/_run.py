"""The host loop: any batches, any length, checkpoints, a bar; the numbers stay on the device."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from contextlib import nullcontext
from math import inf
from typing import Any, Literal, NamedTuple

import numpy as np

from ..._core import trees
from ..._core.checks import Checks
from ..._core.types import Key, Number, Tree
from .._checkpoints import Checkpoints
from .._event import Callback, callbacks_of
from .._schedule import bare_wrapped
from .._state import TrainState, Validated
from .._step import Evaluate, Step
from ._batches import Batches
from ._loop import Loop, Status
from ._non_finite import NonFinite
from ._plan import Plan
from ._progress import display
from ._signals import Interrupted, listening
from ._stall import watching


class RunResult(NamedTuple):
    """The states to keep, and the history of the run.

    Attributes:
      best: the state of the epoch with the best monitored value; the initial state if every value was NaN.
      last: the state at the end.
      train_history: the mean of each metric of the step, per epoch; NaN after the stop.
      valid_history: each validation metric, per epoch; NaN after the stop.
      best_value: the best monitored value.
      best_epoch: its epoch, counted from 0; -1 if every value was NaN.
      stopped_epoch: the number of epochs run.
      num_skipped: the batches whose step was skipped.
      status: how the run ended: "finished", "stopped early", "interrupted" or "diverged".
    """

    best: TrainState
    last: TrainState
    train_history: dict[str, np.ndarray]
    valid_history: dict[str, np.ndarray]
    best_value: float
    best_epoch: int
    stopped_epoch: int
    num_skipped: int
    status: Status


def run(
    step: Step,
    evaluate: Evaluate,
    state: TrainState,
    key: Key,
    train_batches: Batches,
    valid_batches: Batches,
    hyper: Tree,
    *,
    epochs: int,
    checkpoints: Checkpoints | None = None,
    progress: bool = True,
    patience: Number | None = None,
    min_delta: Number = 0.0,
    monitor: str = "loss",
    mode: Literal["min", "max"] = "min",
    warmup: Number = 0,
    baseline: Number | None = None,
    smoothing: Number = 0.0,
    validated: Validated | None = None,
    non_finite: NonFinite = "raise",
    callback: Callback | Sequence[Callback] | None = None,
    save_every: int | None = None,
    log_every: int = 10,
    steps_per_epoch: int | None = None,
    sharding: Any = None,
    resume: Literal["same", "anyway"] = "same",
    grace: Number = 30.0,
    stall_timeout: Number | None = None,
) -> RunResult:
    """Train on batches from anywhere, validate after each epoch, keep the best state, stop early, save, resume.

    `fit` does the same for data on the device. Here the batches come from the host, one after another, and are sent to
    the device two ahead. Step n of the run (counted from 0) draws from fold_in(key, n). With `checkpoints` the run is
    saved after every epoch, and resumes from the newest whole checkpoint if the directory holds one: stopped at any
    step and resumed, it gives the numbers of the unbroken run, bit for bit, if the batches are the same again. An
    exception of the batches or the callback reaches the caller after what is good has been saved (in one process).

    SIGTERM and SIGINT end the run after the current step: it is saved, and `Interrupted` is raised, a `SystemExit` with
    status 143 or 130. A second signal during the save does not disturb it. While the run waits for batches, a second
    Ctrl-C ends the wait at once, a SIGTERM after `grace` seconds; then too the run is saved. In a thread other than the
    main one Python delivers no signals, and several processes stop together when jax reports a SIGTERM.

    Args:
      step: from `make_step`; it is compiled here, once for as long as it is the same function.
      evaluate: from `make_eval`; metrics are averaged over the validation batches, each weighted by its examples.
      state: it stays usable. On resume it is the template, and tells the devices.
      key: one key for the whole run; on resume the same.
      train_batches: an iterable that gives the batches of an epoch each time it is iterated (a list, a loader of grain,
        tf.data or torch), or a function of the epoch that returns one: shuffle by the epoch's number, so that the order
        is the same after a resume. An iterator with `get_state` and `set_state`, as grain's, goes on where it was; any
        other gives the epoch again, and what was used is dropped. Augment in it, by a jitted transform and keys folded
        by epoch and position: the device does that ahead of the step. Leaves are arrays with the examples on the first
        axis, as many in each, or scalars. A last batch of another size costs a second compilation: drop it or pad it.
      valid_batches: likewise.
      hyper: passed on to `step` and `evaluate`; a leaf may be a schedule, see `per_epoch` and `per_step`.
      epochs: how many epochs the run has in all, those before a resume included.
      checkpoints: where to save; None never does. Its `monitor` and `mode` must match the run's.
      progress: show a bar, or a line per epoch where the output is no terminal.
      patience: epochs without improvement to stop after; None never stops early.
      min_delta: what counts as an improvement, see `update_stopping`.
      monitor: the validation metric that decides which epoch is best, and that `reduce_on_plateau` is told.
      mode: whether lower ("min") or higher ("max") is better.
      warmup: the first `warmup` epochs may be best but never count against `patience`.
      baseline: a value to beat; an epoch that does not counts against `patience`, even if it is the best so far.
      smoothing: share of the past in the value that is judged, see `update_stopping`.
      validated: a function from the state of an epoch to the state that is validated and kept as the best, as in `fit`.
        It is compiled; by default it is the state itself.
      non_finite: what to do when a step gives a loss or parameters that are not finite, or a NaN in any state. "raise"
        raises FloatingPointError, which names the step; "skip" skips the step and leaves the state as it was; "stop"
        ends the run with that state. None of the three saves the bad state. The last two cost a pass over the state.
      callback: called with an `Event` for every epoch, once it is saved, and every `log_every` steps, in each of
        several processes; or a list of such functions, called in turn. To stop the run, raise.
      save_every: save also every `save_every` steps.
      log_every: the host reads metrics every `log_every` steps, one interval late, so that neither side waits.
      steps_per_epoch: end an epoch after this many batches; an endless iterator then serves all epochs.
      sharding: where batches go, such as a `NamedSharding` over the first axis; several processes give a part each.
      resume: "same" continues only a run of the same settings: the values in `hyper`, the tree, shapes and dtypes of
        the optimizer's state, the options of stopping, `non_finite`, `steps_per_epoch`, and at least as many `epochs`
        as have begun. "anyway" continues with those that are given. What is written in `step` itself cannot be
        compared, such as a learning rate that is no part of `hyper`, nor can the functions of schedules.
      grace: after how many seconds a SIGTERM ends a wait for batches.
      stall_timeout: end the process with status 75 and a line on stderr when nothing of the run has moved for this many
        seconds: a step, a save, a batch, the callback, or another process that it waits for. Allow for the first step,
        which is compiled. It acts from a thread, so not while other code holds the interpreter. None never does.

    Returns:
      A `RunResult`. `step` of a state counts the updates it has seen; `num_skipped` the batches that were skipped, so
      checkpoints, numbered by batches taken, are ahead by that. A run whose last epoch skipped every step has the
      status "diverged".

    Raises:
      Interrupted: a signal asked the run to stop; its `result` is what `run` would have returned.
      ValueError: an epoch without batches, a batch without examples or with leaves of several lengths, a checkpoint of
        another model, optimizer or key, or of other settings, each named with both values; a `monitor` that is no
        validation metric.
      BlockingIOError: another run writes to the same directory.
      TypeError: the key is None.

    >>> import jax, jax.numpy as jnp, numpy as np, optax
    >>> from jreg import train
    >>> x = np.random.default_rng(0).normal(size=(5, 8, 3)).astype("float32")
    >>> batches = [(rows, rows @ np.float32([[1.0], [0.0], [-1.0]])) for rows in x]
    >>> def loss_fn(params, model_state, key, batch, hyper):
    ...     return jnp.mean((batch[0] @ params - batch[1]) ** 2), (model_state, {})
    >>> step = train.make_step(loss_fn, optax.sgd(0.1))
    >>> evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]})
    >>> state = train.init_state(jnp.zeros((3, 1)), optax.sgd(0.1))
    >>> result = train.run(step, evaluate, state, jax.random.key(1), batches, batches, None, epochs=20, progress=False)
    >>> result.best_value < 1e-3, result.status
    (True, 'finished')
    """
    check = Checks("run")
    check.choice("mode", mode, ("min", "max"))
    check.choice("non_finite", non_finite, ("raise", "skip", "stop"))
    check.choice("resume", resume, ("same", "anyway"))
    _require_same_monitor(checkpoints, monitor, mode)
    if validated is not None:
        check.called("validated", validated, "(state) -> state")
    hyper = bare_wrapped(hyper)
    trees.check_leaves(check, "hyper", hyper)
    plan = Plan(
        step=step,
        evaluate=evaluate,
        key=check.key(key),
        train_batches=train_batches,
        valid_batches=valid_batches,
        hyper=hyper,
        epochs=check.integer("epochs", epochs),
        checkpoints=checkpoints,
        patience=inf if patience is None else _number("patience", patience),
        min_delta=_number("min_delta", min_delta),
        monitor=monitor,
        mode=mode,
        warmup=_number("warmup", warmup),
        baseline=None if baseline is None else _number("baseline", baseline, -inf),
        smoothing=_number("smoothing", smoothing, 0.0, 1.0, "[)"),
        validated=validated,
        non_finite=non_finite,
        callbacks=callbacks_of(check, callback),
        save_every=None if save_every is None else check.integer("save_every", save_every),
        log_every=check.integer("log_every", log_every),
        steps_per_epoch=None if steps_per_epoch is None else check.integer("steps_per_epoch", steps_per_epoch),
        sharding=sharding,
        resume=resume,
    )
    grace = _number("grace", grace)
    writing = nullcontext() if checkpoints is None else checkpoints.writing()
    with listening(grace) as requests, watching(_seconds(stall_timeout)) as watch, writing:
        loop = Loop(plan, state, requests, watch)
        length = steps_per_epoch or (len(train_batches) if isinstance(train_batches, Sized) else None)
        with display(progress, plan.epochs, loop.record.taken, length) as shown:
            status = loop.run(shown)
    result = _result(loop, status)
    if requests.signum is not None:
        raise Interrupted(requests.signum, result)
    return result


def _result(loop: Loop, status: Status) -> RunResult:
    record, stopping, epochs = loop.record, loop.stopping, loop.plan.epochs
    return RunResult(
        best=stopping.best_params,
        last=loop.carry.state,
        train_history={name: _padded(values, epochs) for name, values in record.means("train").items()},
        valid_history={name: _padded(values, epochs) for name, values in record.means("valid").items()},
        best_value=float(stopping.best_value),
        best_epoch=int(stopping.best_step),
        stopped_epoch=record.epoch,
        num_skipped=int(loop.carry.num_bad),
        status=status,
    )


def _padded(values: list[float], length: int) -> np.ndarray:
    return np.array(values + [np.nan] * (length - len(values)), np.float32)


def _seconds(value: Any) -> float | None:
    return None if value is None else _number("stall_timeout", value, ends="()")


def _number(argument: str, value: Any, low: float = 0.0, high: float = inf, ends: str = "[]") -> float:
    Checks("run").valid_number(argument, value, low, high, ends=ends)
    return float(value)


def _require_same_monitor(checkpoints: Checkpoints | None, monitor: str, mode: str) -> None:
    if checkpoints is not None and (checkpoints.monitor, checkpoints.mode) != (monitor, mode):
        raise ValueError(f"run: checkpoints must have monitor={monitor!r} and mode={mode!r} too; got {checkpoints!r}")
