"""A whole training run as one pure function: alone, under `jit`, and under `vmap`, where each lane stops for itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from .._core import placement, trees
from .._core.checks import Checks
from .._core.types import Key, Number, Tree
from ..random import fold_in, split
from ._contract import length, monitored
from ._epoch import LastBatch, batch_like, order_across_passes, pass_over
from ._event import Callback, Event, callbacks_of, of_epoch
from ._order import shuffled
from ._plateau import update_plateau
from ._result import FitResult, continued, extended, recorded
from ._schedule import at_epoch, bare_wrapped
from ._state import TrainState, Validated, judged
from ._step import Evaluate, Step
from ._stopping import init_stopping, update_stopping


def fit(
    step: Step,
    evaluate: Evaluate,
    state: TrainState | FitResult,
    key: Key,
    train_data: Tree,
    valid_data: Tree,
    hyper: Tree,
    *,
    batch_size: int,
    epochs: int,
    patience: Number | None = None,
    min_delta: Number = 0.0,
    monitor: str = "loss",
    mode: Literal["min", "max"] = "min",
    warmup: Number = 0,
    baseline: Number | None = None,
    smoothing: Number = 0.0,
    last_batch: LastBatch = "drop",
    steps_per_epoch: int | None = None,
    validated: Validated | None = None,
    keep_opt_state: bool = False,
    callback: Callback | Sequence[Callback] | None = None,
) -> FitResult:
    """Train for `epochs` over data on the device, validate after each, keep the best state, stop early.

    Every epoch shuffles the examples anew, as a function of (key, epoch). Everything is deterministic in (state, key,
    data, hyper). Wrap it in `jax.jit` to compile it once for many calls, or give it to `sweep`. In a `jax.shard_map`
    over the examples, average the loss and the metrics over its axis (`jax.lax.pmean`).

    A result continues: 10 epochs, and then 10 more with the result as `state` and everything else as before, give
    bit for bit what 20 epochs give. What changes between the two calls applies from there on.

    Args:
      step: from `make_step`.
      evaluate: from `make_eval`; `valid_data` goes through it as one batch.
      state: where to start, from `init_state`; or the result of an earlier call, to continue it. A run that stopped
        early stays stopped.
      key: one key for the whole run.
      train_data: a pytree of arrays with the examples on the first axis.
      valid_data: whatever `evaluate` takes; it may hold several parts, such as the training data too, for a gap
        without noise.
      hyper: passed on to `step` and `evaluate`; a leaf may be a schedule, see `per_epoch` and `per_step`.
      batch_size: rows per step, at most as many as there are, unless `last_batch` keeps or pads the rest.
      epochs: how many to train for at most, after those of a run that is continued.
      patience: epochs without improvement to stop after; None never stops early. It may be traced; inf never stops.
      min_delta: what counts as an improvement, see `update_stopping`.
      monitor: the validation metric that decides which epoch is best, and that `reduce_on_plateau` is told.
      mode: whether lower ("min") or higher ("max") is better.
      warmup: the first `warmup` epochs may be best but never count against `patience`.
      baseline: a value to beat; an epoch that does not counts against `patience`, even if it is the best so far.
      smoothing: share of the past in the value that is judged, see `update_stopping`.
      last_batch: what becomes of the rows that fill no batch. "drop" leaves them out, others in each epoch; "keep"
        makes them a short batch, for which the step is compiled a second time; "pad" fills that batch up with rows of
        weight 0: every batch is then a pair `(rows, weights)`, and the loss `sum(weights * losses) / sum(weights)`. Pad
        where devices or `accumulate` divide the rows; batch norm sees the padding unless it is given the weights.
      steps_per_epoch: end an epoch, with its validation, after this many batches, wherever that is in the data: many
        passes where data are few, part of one where they are many. The next epoch goes on from there. Needs
        `last_batch="drop"`. By default an epoch is one pass.
      validated: a function from the state of an epoch to the state that is validated and kept as the best, such as
        `lambda state: state._replace(params=optim.averaged_params(state.opt_state))` for averaged weights. By default
        it is the state itself.
      keep_opt_state: whether the best state keeps its optimizer state, which under Adam takes two thirds of the memory
        of a state; only training on from the best epoch needs it.
      callback: called on the host with an `Event` after every epoch, by each lane of a `vmap` or shard for itself, or
        a list of such functions; the program does not wait for them. Under `vmap` a lane that has stopped calls on
        until all have.

    Raises:
      ValueError: fewer examples than a batch, data of uneven length, no epoch, `steps_per_epoch` with another
        `last_batch` than "drop", a result with other metrics or another
        kind of best state than this call makes, a `monitor` that is no validation metric or that differs between the
        shards of a `shard_map` where the parameters do not.
      TypeError: the key is None, or data that are no arrays.

    >>> import jax, jax.numpy as jnp, optax
    >>> from jreg import train
    >>> x = jax.random.normal(jax.random.key(0), (40, 3))
    >>> data = (x, x @ jnp.array([[1.0], [0.0], [-1.0]]))
    >>> def loss_fn(params, model_state, key, batch, hyper):
    ...     return jnp.mean((batch[0] @ params - batch[1]) ** 2), (model_state, {})
    >>> step = train.make_step(loss_fn, optax.sgd(0.1))
    >>> evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]})
    >>> state = train.init_state(jnp.zeros((3, 1)), optax.sgd(0.1))
    >>> result = train.fit(step, evaluate, state, jax.random.key(1), data, data, None, batch_size=8, epochs=20)
    >>> bool(result.best_value < 1e-3)
    True
    """
    check = Checks("fit")
    check.called("step", step, "(state, key, batch, hyper) -> (state, metrics), as make_step makes")
    check.called("evaluate", evaluate, "(state, batch, hyper) -> metrics, as make_eval makes")
    if not isinstance(state, FitResult):
        check.instance("state", state, TrainState, "init_state")
    if validated is not None:
        check.called("validated", validated, "(state) -> state")
    keep_opt_state, callbacks = check.flag("keep_opt_state", keep_opt_state), callbacks_of(check, callback)
    hyper = bare_wrapped(hyper)
    for argument, tree in (("state", state), ("valid_data", valid_data), ("hyper", hyper)):
        trees.check_leaves(check, argument, tree)
    key = check.key(key)
    size = length(check, "train_data", train_data)
    batch_size = check.integer("batch_size", batch_size)
    epochs = check.integer("epochs", epochs)
    check.choice("last_batch", last_batch, ("drop", "keep", "pad"))
    if steps_per_epoch is not None:
        steps_per_epoch = check.integer("steps_per_epoch", steps_per_epoch)
        if last_batch != "drop":
            raise ValueError(f"fit: last_batch must be 'drop' where steps_per_epoch is given; got {last_batch!r}")
    if batch_size > size and last_batch == "drop":
        raise ValueError(f"fit: batch_size must be at most the {size} examples of train_data; got {batch_size}")

    def shown(trained: TrainState) -> TrainState:
        return judged(check, trained, validated)

    def kept(shown: TrainState) -> TrainState:
        return shown if keep_opt_state else shown._replace(opt_state=())

    def run_epoch(progress: FitResult) -> FitResult:
        epoch = progress.stopping.num_checks
        today = at_epoch(check, hyper, epoch)
        order_key, steps_key = split(fold_in(key, epoch))
        if steps_per_epoch is None:
            order = shuffled(order_key, size)
        else:
            order = order_across_passes(key, epoch, size, batch_size, steps_per_epoch)
        trained, means = pass_over(step, progress.last, steps_key, train_data, order, today, batch_size, last_batch)
        to_judge = shown(trained)
        valid_metrics = evaluate(to_judge, valid_data, today)
        value = monitored(check, valid_metrics, monitor)
        stopping = update_stopping(
            progress.stopping,
            value,
            kept(to_judge),
            jnp.inf if patience is None else patience,
            min_delta,
            mode=mode,
            warmup=warmup,
            baseline=baseline,
            smoothing=smoothing,
        )
        if callbacks:
            tell = partial(_tell, callbacks, monitor)
            jax.debug.callback(tell, trained.step, epoch, means, valid_metrics, stopping.best_value)
        trained = trained._replace(opt_state=update_plateau(trained.opt_state, value, mode=mode))
        train_history = recorded(progress.train_history, means, epoch)
        return FitResult(trained, stopping, train_history, recorded(progress.valid_history, valid_metrics, epoch))

    def started(state: TrainState) -> FitResult:
        """The run before its first epoch."""
        batch = batch_like(train_data, batch_size, last_batch)
        first = at_epoch(check, hyper, 0)
        _, train_metrics = jax.eval_shape(step, state, key, batch, first)
        valid_metrics = jax.eval_shape(lambda state: evaluate(shown(state), valid_data, first), state)
        monitored(check, valid_metrics, monitor)
        state = jax.tree.map(jnp.asarray, state)
        histories = (dict.fromkeys(found, jnp.zeros(0, jnp.float32)) for found in (train_metrics, valid_metrics))
        return FitResult(state, init_stopping(kept(shown(state))), *histories)

    progress = continued(state, started) if isinstance(state, FitResult) else started(state)
    start = placement.settled(run_epoch, extended(progress, epochs), key, train_data, valid_data, hyper)
    _refuse_lone_decisions(start)
    if patience is None:
        # A loop of known length: nothing waits for a decision, and `sweep` can tell that all lanes end together.
        end, _ = lax.scan(lambda progress, _: (run_epoch(progress), None), start, length=epochs)
        return end
    num_epochs = len(start.valid_history[monitor])

    def goes_on(progress: FitResult) -> Array:
        return (progress.stopping.num_checks < num_epochs) & ~progress.stopping.should_stop

    return lax.while_loop(goes_on, run_epoch, start)


def _tell(callbacks: tuple[Callback, ...], monitor: str, step: Any, epoch: Any, *found: Any) -> None:
    means, valid, best = jax.tree.map(float, found)
    for callback in callbacks:
        callback(Event("epoch", int(step), int(epoch), of_epoch(means, valid, monitor, best)))


def _refuse_lone_decisions(start: FitResult) -> None:
    """Shards that hold the same parameters must stop together, or some would wait forever for the others."""
    params = jax.tree.leaves(start.last.params)
    if placement.over(start.stopping.best_value) > frozenset().union(*map(placement.over, params)):
        raise ValueError(
            "fit: monitor must be the same in all shards that hold the same parameters; average it in metric_fn, as in "
            "jax.lax.pmean(loss, axis_name)"
        )
