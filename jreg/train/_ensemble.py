"""Many trained networks as one: the mean of what the lanes of a sweep predict."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._core import checks, dtypes
from .._core.checks import Checks
from .._core.types import Tree
from ._result import FitResult
from ._state import TrainState


def ensemble(
    predict: Callable[[Tree, Tree, Any], Tree],
    states: FitResult | TrainState,
    x: Tree,
    *,
    top: int | None = None,
    values: Float[Array, "*lanes"] | None = None,
    mode: Literal["min", "max"] = "min",
) -> Tree:
    """Average the predictions of the lanes of a sweep, or of the best of them by validation, under one `vmap`.

        mean over lanes of predict(params[lane], model_state[lane], x)

    Return probabilities from `predict` for the usual ensemble; logits give the geometric mean of the probabilities,
    up to its scale. `targets.distillation` teaches one network what the ensemble knows: its teacher's logits are the
    logarithms of the mean probabilities.

    Args:
      predict: `predict(params, model_state, x) -> predictions`, for one lane, without noise; a pytree of floats.
      states: the result of a `sweep` whose lanes each return that of `fit`, of which the best states predict; or the
        states of many lanes, from anywhere.
      x: what all lanes predict for.
      top: how many lanes, those of the best validation values; None takes all. The choice is part of the training,
        so test on other rows.
      values: the validation value of each lane, if `states` are no `FitResult`.
      mode: whether lower ("min") or higher ("max") is better, as `fit` was told.

    Returns:
      the mean, in the dtypes of the predictions. Lanes whose value is not finite hold no trained network and do not
      count.

    Raises:
      ValueError: states without an axis of lanes, `top` above their number, or without values, or values of another
        shape than the lanes.
      TypeError: states of another kind, or predictions that are no floats.

    >>> import jax, jax.numpy as jnp, optax
    >>> from jreg import train
    >>> x = jnp.linspace(-1.0, 1.0, 16)[:, None]
    >>> def loss_fn(params, model_state, key, batch, hyper):
    ...     return jnp.mean((batch @ params - batch) ** 2), (model_state, {})
    >>> step = train.make_step(loss_fn, lambda rate: optax.sgd(rate))
    >>> evaluate = train.make_eval(lambda params, _, batch, hyper: {"loss": loss_fn(params, (), None, batch, hyper)[0]})
    >>> def fit_one(key, rate):
    ...     state = train.init_state(jax.random.normal(key, (1, 1)), optax.sgd(rate))
    ...     return train.fit(step, evaluate, state, key, x, x, rate, batch_size=8, epochs=3)
    >>> result = train.sweep(fit_one, jax.random.split(jax.random.key(0), 5), jnp.array([0.0, 1.0]))
    >>> train.ensemble(lambda params, _, x: x @ params, result, jnp.ones((2, 1)), top=3).round(1).tolist()
    [[1.0], [1.0]]

    Lakshminarayanan, Pritzel and Blundell, Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles,
    NeurIPS 2017.
    """
    check = Checks("ensemble")
    check.called("predict", predict, "(params, model_state, x) -> predictions")
    sign = 1.0 if check.choice("mode", mode, ("min", "max")) == "min" else -1.0
    if isinstance(states, FitResult):
        values = states.best_value if values is None else values
        states = states.best
    shape = jnp.shape(check.instance("states", states, TrainState, "init_state, or a FitResult of many lanes").step)
    if not shape:
        raise ValueError(f"{check}: states must have axes of lanes in front, as sweep returns them; got a single one")
    merit = None if values is None else _merit(check, values, shape, sign)
    lanes = jax.tree.map(
        lambda leaf: jnp.asarray(leaf).reshape(prod(shape), *leaf.shape[len(shape) :]),
        (states.params, states.model_state),
    )
    if top is not None:
        if merit is None:
            raise ValueError(f"{check}: values must be given to choose the top lanes of a TrainState; got None")
        if check.integer("top", top) > prod(shape):
            raise ValueError(f"{check}: top must be at most the {prod(shape)} lanes; got {top}")
        best = jnp.argsort(merit)[:top]  # NaN sorts last
        lanes, merit = jax.tree.map(lambda leaf: leaf[best], (lanes, merit))
    counted = None if merit is None else ~jnp.isnan(merit)
    predictions = jax.vmap(predict, in_axes=(0, 0, None))(lanes[0], lanes[1], x)
    return jax.tree.map(lambda leaf: _mean(check, leaf, counted), predictions)


def _merit(check: Checks, values: Any, shape: tuple[int, ...], sign: float) -> Float[Array, " lanes"]:
    """What is lowest for the best lane, and NaN for a lane that diverged."""
    if not isinstance(values, jax.Array) and not checks.is_real(values):
        raise TypeError(f"{check}: values must be an array of real numbers; got {checks.shown(values)}")
    if jnp.shape(values) != shape:
        raise ValueError(f"{check}: values must have the shape of the lanes, {shape}; got {jnp.shape(values)}")
    values = check.floating("values", values).reshape(-1)
    return jnp.where(jnp.isfinite(values), sign * values, jnp.nan)


def _mean(check: Checks, leaf: Any, counted: Bool[Array, " lanes"] | None) -> Array:
    if not jnp.issubdtype(leaf.dtype, jnp.inexact):
        raise TypeError(f"{check}: predict must return floats, such as probabilities; got dtype {leaf.dtype}")
    wide = leaf.astype(dtypes.widened(leaf.dtype))
    if counted is None:
        return jnp.mean(wide, axis=0).astype(leaf.dtype)
    shown = jnp.where(counted.reshape(-1, *[1] * (leaf.ndim - 1)), wide, 0.0)
    return (jnp.sum(shown, axis=0) / jnp.sum(counted, dtype=wide.dtype)).astype(leaf.dtype)
