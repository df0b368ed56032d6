"""A whole training run as one pure function: alone, under `jit`, and under `vmap`, where each lane stops for itself."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from .._core import placement, trees
from .._core.checks import Checks
from .._core.types import Key, Number, Tree
from ..random import fold_in, split
from ._contract import length, monitored
from ._epoch import LastBatch, batch_like, pass_over
from ._state import TrainState
from ._step import Evaluate, Metrics, Step
from ._stopping import Stopping, init_stopping, update_stopping


class FitResult(NamedTuple):
    """The states to keep, and the history of the run.

    Attributes:
      best: the state of the epoch with the best monitored value, whether or not the run stopped early; the initial
        state if every value was NaN.
      last: the state at the end.
      train_history: the mean of each metric of the step, per epoch, by the metric "weight" or else by the rows of each
        batch; NaN after the stop.
      valid_history: each validation metric, per epoch; NaN after the stop.
      best_value: the best monitored value.
      best_epoch: its epoch, counted from 0; -1 if every value was NaN.
      stopped_epoch: the number of epochs run.
    """

    best: TrainState
    last: TrainState
    train_history: dict[str, Float[Array, " epochs"]]
    valid_history: dict[str, Float[Array, " epochs"]]
    best_value: Float[Array, ""]
    best_epoch: Int[Array, ""]
    stopped_epoch: Int[Array, ""]


class _Progress(NamedTuple):
    epoch: Int[Array, ""]
    state: TrainState
    stopping: Stopping
    train_history: dict[str, Array]
    valid_history: dict[str, Array]


def fit(
    step: Step,
    evaluate: Evaluate,
    state: TrainState,
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
    last_batch: LastBatch = "drop",
) -> FitResult:
    """Train for `epochs` over data on the device, validate after each, keep the best state, stop early.

    Every epoch shuffles the examples anew, as a function of (key, epoch). Everything is deterministic in (state, key,
    data, hyper). Wrap it in `jax.jit` to compile it once for many calls, or give it to `sweep`. In a `jax.shard_map`
    over the examples, average the loss and the metrics over its axis (`jax.lax.pmean`).

    Args:
      step: from `make_step`.
      evaluate: from `make_eval`; `valid_data` goes through it as one batch.
      state: where to start, from `init_state`.
      key: one key for the whole run.
      train_data: a pytree of arrays with the examples on the first axis.
      valid_data: whatever `evaluate` takes; it may hold several parts, such as the training data too, for a gap
        without noise.
      hyper: passed on to `step` and `evaluate`.
      batch_size: rows per step, at most as many as there are, unless `last_batch` keeps or pads the rest.
      epochs: how many to train for at most.
      patience: epochs without improvement to stop after; None never stops early. It may be traced; inf never stops.
      min_delta: what counts as an improvement, see `update_stopping`.
      monitor: the validation metric that decides which epoch is best.
      mode: whether lower ("min") or higher ("max") is better.
      warmup: the first `warmup` epochs may be best but never count against `patience`.
      last_batch: what becomes of the rows that fill no batch. "drop" leaves them out, others in each epoch; "keep"
        makes them a short batch, for which the step is compiled a second time; "pad" fills that batch up with rows of
        weight 0: every batch is then a pair `(rows, weights)`, and the loss `sum(weights * losses) / sum(weights)`. Pad
        where devices or `accumulate` divide the rows; batch norm sees the padding unless it is given the weights.

    Raises:
      ValueError: fewer examples than a batch, data of uneven length, no epoch, a `monitor` that is no validation metric
        or that differs between the shards of a `shard_map` where the parameters do not.
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
    check.instance("state", state, TrainState, "init_state")
    for argument, tree in (("state", state), ("valid_data", valid_data), ("hyper", hyper)):
        trees.check_leaves(check, argument, tree)
    key = check.key(key)
    size = length(check, "train_data", train_data)
    batch_size = check.integer("batch_size", batch_size)
    epochs = check.integer("epochs", epochs)
    check.choice("last_batch", last_batch, ("drop", "keep", "pad"))
    if batch_size > size and last_batch == "drop":
        raise ValueError(f"fit: batch_size must be at most the {size} examples of train_data; got {batch_size}")

    def run_epoch(progress: _Progress) -> _Progress:
        order_key, steps_key = split(fold_in(key, progress.epoch))
        order = jax.random.permutation(order_key, size)
        trained, means = pass_over(step, progress.state, steps_key, train_data, order, hyper, batch_size, last_batch)
        valid_metrics = evaluate(trained, valid_data, hyper)
        stopping = update_stopping(
            progress.stopping,
            monitored(check, valid_metrics, monitor),
            trained,
            jnp.inf if patience is None else patience,
            min_delta,
            mode=mode,
            warmup=warmup,
        )
        return _Progress(
            progress.epoch + 1,
            trained,
            stopping,
            _recorded(progress.train_history, means, progress.epoch),
            _recorded(progress.valid_history, valid_metrics, progress.epoch),
        )

    batch = batch_like(train_data, batch_size, last_batch)
    _, train_metrics = jax.eval_shape(step, state, key, batch, hyper)
    start = _start(state, epochs, train_metrics, jax.eval_shape(evaluate, state, valid_data, hyper))
    start = placement.settled(run_epoch, start, key, train_data, valid_data, hyper)
    _refuse_lone_decisions(start)
    if patience is None:
        # A loop of known length: nothing waits for a decision, and `sweep` can tell that all lanes end together.
        end, _ = lax.scan(lambda progress, _: (run_epoch(progress), None), start, length=epochs)
    else:
        end = lax.while_loop(
            lambda progress: (progress.epoch < epochs) & ~progress.stopping.should_stop, run_epoch, start
        )
    return FitResult(
        best=end.stopping.best_params,
        last=end.state,
        train_history=end.train_history,
        valid_history=end.valid_history,
        best_value=end.stopping.best_value,
        best_epoch=end.stopping.best_step,
        stopped_epoch=end.epoch,
    )


def _start(state: TrainState, epochs: int, *metrics: dict[str, Any]) -> _Progress:
    """The carry of the loop, with a history for every metric of training and of validation."""
    with jax.debug_nans(False):
        no_history = jnp.full(epochs, jnp.nan, jnp.float32)
    histories = (dict.fromkeys(found, no_history) for found in metrics)
    state = jax.tree.map(jnp.asarray, state)
    return _Progress(jnp.zeros((), jnp.int32), state, init_stopping(state), *histories)


def _recorded(history: dict[str, Array], metrics: Metrics, epoch: Array) -> dict[str, Array]:
    return {name: values.at[epoch].set(jnp.asarray(metrics[name], values.dtype)) for name, values in history.items()}


def _refuse_lone_decisions(start: _Progress) -> None:
    """Shards that hold the same parameters must stop together, or some would wait forever for the others."""
    params = jax.tree.leaves(start.state.params)
    if placement.over(start.stopping.best_value) > frozenset().union(*map(placement.over, params)):
        raise ValueError(
            "fit: monitor must be the same in all shards that hold the same parameters; average it in metric_fn, as in "
            "jax.lax.pmean(loss, axis_name)"
        )
