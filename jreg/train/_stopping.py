"""Early stopping as two pure functions that live in `scan`, `while_loop` and `vmap`."""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .._core import checks, trees
from .._core.checks import Checks
from .._core.static import FARTHEST
from .._core.types import Number, Tree


class Stopping(NamedTuple):
    """The best check so far, and whether to stop.

    Attributes:
      best_value: the best value; NaN before the first good check.
      best_params: the params that gave it; those given at first before the first good check.
      best_step: the number of that check, from 0; -1 before the first good check.
      num_bad: the bad checks in a row, up to now.
      num_checks: all checks so far.
      should_stop: whether the run should stop.
      smoothed: the mean of the finite values so far, in which older ones count less by `smoothing`.
      weight: what those values count together.
    """

    best_value: Float[Array, ""]
    best_params: Tree
    best_step: Int[Array, ""]
    num_bad: Int[Array, ""]
    num_checks: Int[Array, ""]
    should_stop: Bool[Array, ""]
    smoothed: Float[Array, ""]
    weight: Float[Array, ""]


def init_stopping(params: Tree) -> Stopping:
    """Start with no best value; `params` may be any pytree worth keeping, such as a whole train state.

    >>> import jax.numpy as jnp
    >>> from jreg import train
    >>> int(train.init_stopping(jnp.zeros(2)).best_step)
    -1
    """
    zero = jnp.zeros((), jnp.int32)
    with jax.debug_nans(False):  # No value yet is NaN by design.
        no_value = jnp.full((), jnp.nan, float)
    nothing = jnp.zeros((), no_value.dtype)
    return Stopping(no_value, params, zero - 1, zero, zero, jnp.zeros((), bool), nothing, nothing)


def update_stopping(
    stopping: Stopping,
    value: Number,
    params: Tree,
    patience: Number,
    min_delta: Number,
    *,
    mode: Literal["min", "max"] = "min",
    warmup: Number = 0,
    baseline: Number | None = None,
    smoothing: Number = 0.0,
) -> Stopping:
    """Take in the value of one check: keep the best params, count the bad checks in a row, decide.

    A check is good if it beats the best by more than `min_delta`, compared in float32, or in float64 in x64 mode: 0.9
    after 1.0 may or may not beat a `min_delta` of 0.1, so give one between the differences that matter. The first value
    that is not NaN is good. NaN is never best and counts as bad. The run should stop at the `patience`-th bad check in
    a row; patience 0 acts as 1, infinity never stops. Once set, `should_stop` stays set. With a baseline, a check that
    does not beat it may be the best, but is bad: a run that never gets there stops, as in Keras.

    Args:
      stopping: what came of the check before, or of `init_stopping`.
      value: a scalar measured on `params`.
      params: what to keep if the value is the best, in the structure and shapes that `init_stopping` was given.
      patience: at least 0.
      min_delta: at least 0.
      mode: whether lower ("min") or higher ("max") is better.
      warmup: the first `warmup` checks may be best but never count as bad.
      baseline: the value to beat by more than `min_delta`, or None.
      smoothing: share of the past, in [0, 1), in the value that is judged: an exponential mean of the finite values,
        without bias at the start. 0 judges each value alone; 0.8 steadies a noisy metric over about five checks.

    Raises:
      ValueError: a concrete patience, min_delta or warmup below 0 or NaN, or a baseline of NaN (with a traced one no
        check is good), a smoothing outside [0, 1), or another mode.
      TypeError: a value that is no real scalar, such as the None of a missing metric.

    >>> import jax.numpy as jnp
    >>> from jreg import train
    >>> stopping = train.init_stopping(jnp.zeros(()))
    >>> for epoch, loss in enumerate([1.0, float("nan"), 0.5, 0.7, 0.6]):
    ...     stopping = train.update_stopping(stopping, loss, jnp.float32(epoch), patience=2, min_delta=0.0)
    >>> int(stopping.best_step), float(stopping.best_params), bool(stopping.should_stop)
    (2, 2.0, True)

    Prechelt, Early Stopping - But When?, 1998.
    """
    check = Checks("update_stopping")
    check.choice("mode", mode, ("min", "max"))
    patience, min_delta, warmup = (
        check.scalar(argument, number, 0.0)
        for argument, number in (("patience", patience), ("min_delta", min_delta), ("warmup", warmup))
    )
    check.instance("stopping", stopping, Stopping, "init_stopping")
    _check_kept(params, stopping.best_params)
    share = check.scalar("smoothing", smoothing, 0.0, 1.0, ends="[)")
    value, smoothed, weight = _smoothed(stopping, as_scalar("update_stopping", value), share)
    with jax.debug_nans(False):
        gain = _gain(stopping.best_value, value, mode)
    is_first = jnp.isnan(stopping.best_value) & ~jnp.isnan(value)
    is_valid = ~(jnp.isnan(patience) | jnp.isnan(min_delta) | jnp.isnan(warmup) | jnp.isnan(share))
    is_best = (is_first | (gain > min_delta.astype(gain.dtype))) & is_valid
    is_good = is_best & _beats(baseline, value, min_delta, mode)
    num_checks = stopping.num_checks + 1
    may_count = num_checks.astype(warmup.dtype) > warmup
    num_bad = jnp.where(is_good | ~may_count, 0, stopping.num_bad + 1)
    return Stopping(
        best_value=jnp.where(is_best, value, stopping.best_value),
        best_params=jax.tree.map(lambda new, old: jnp.where(is_best, new, old), params, stopping.best_params),
        best_step=jnp.where(is_best, stopping.num_checks, stopping.best_step),
        num_bad=num_bad,
        num_checks=num_checks,
        should_stop=stopping.should_stop | (~is_good & may_count & (num_bad.astype(patience.dtype) >= patience)),
        smoothed=smoothed,
        weight=weight,
    )


def _smoothed(stopping: Stopping, value: Array, share: Array) -> tuple[Array, Array, Array]:
    """The value to judge, and the mean so far with its weight; a value that is not finite stands alone."""
    value, share = value.astype(stopping.best_value.dtype), share.astype(stopping.best_value.dtype)
    past, is_finite = share * stopping.weight, jnp.isfinite(value)
    mean = (past * stopping.smoothed + value) / (past + 1.0)
    smoothed = jnp.where(is_finite, mean, stopping.smoothed)
    return jnp.where(is_finite, mean, value), smoothed, jnp.where(is_finite, past + 1.0, stopping.weight)


def _gain(past: Array, value: Array, mode: str) -> Array:
    return past - value if mode == "min" else value - past


def _beats(baseline: Number | None, value: Array, min_delta: Array, mode: str) -> Array | bool:
    if baseline is None:
        return True
    bar = Checks("update_stopping").scalar("baseline", baseline).astype(value.dtype)
    return _gain(bar, value, mode) > min_delta.astype(value.dtype)


def _check_kept(params: Tree, best: Tree) -> None:
    check = Checks("update_stopping")
    trees.same_structure(check, "params", params, best, "the best ones")
    jax.tree.map(lambda new, old: check.promotable("params", new, old), params, best)


def as_scalar(function: str, value: Number) -> Float[Array, ""]:
    """A metric may be NaN, which `Checks.number` refuses."""
    if not checks.is_real(value) or jnp.shape(value):
        raise TypeError(f"{function}: value must be a scalar; got {checks.shown(value)}")
    if isinstance(value, jax.Array):
        return value
    if isinstance(value, int) and abs(value) > FARTHEST:
        raise ValueError(f"{function}: value must be a number that a float can hold; got {checks.shown(value)}")
    return jnp.asarray(np.asarray(value, np.float64), float)
