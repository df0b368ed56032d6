"""One update, and one evaluation: the first refuses to run without a key, the second takes none."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import DTypeLike
from jaxtyping import Array

from .._core import checks, keys, trees
from .._core.checks import Checks
from .._core.types import Key, Tree
from ._contract import LOSS_FORM, METRIC_FORM, scalars, transformation_of
from ._gradient import Gradient, LossFn, Metrics, Wrap, accumulated, gradient_of, value_of
from ._schedule import at_step
from ._state import TrainState

Step: TypeAlias = Callable[[TrainState, Key, Tree, Tree], tuple[TrainState, Metrics]]
Evaluate: TypeAlias = Callable[[TrainState, Tree, Tree], Metrics]


def make_step(
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation | Callable[[Any], optax.GradientTransformation],
    *,
    accumulate: int = 1,
    compute_dtype: DTypeLike | None = None,
    wrap_gradient: Wrap | None = None,
) -> Step:
    """Make `step(state, key, batch, hyper) -> (state, metrics)`, a pure function to jit, scan and vmap.

    Args:
      loss_fn: `loss_fn(params, model_state, key, batch, hyper) -> (loss, (model_state, metrics))`, where metrics is a
        dict of scalars and `hyper` any pytree of numbers: rates, strengths, alphas. A leaf may be a schedule, see
        `per_step`: the loss gets its number. A loss that averages over other than the rows of its batch, such as
        tokens or rows of weight above 0, returns how many as the metric "weight".
      optimizer: a transformation, or a function of `hyper` that makes one, so that its strengths are traced too.
        One that takes extra arguments (`optax.GradientTransformationExtraArgs`) gets `value`, the loss; `grad`, the
        gradients; and `value_fn`, which gives the loss of other params on the same batch, with the same noise and from
        the same model state. So line searches (`optax.lbfgs`) and `optax.polyak_sgd` work as they are.
      accumulate: micro-batches per update. The batch is split along its first axis, each part has a key of its own, and
        gradients and metrics are averaged by the metric "weight" (all parts alike without it; a part of weight 0 leaves
        no trace). The optimizer is called once, so decay and schedules count updates. Model state goes through the
        parts in turn: batch norm sees each as a batch.
      compute_dtype: the dtype, such as bfloat16, to which floats of params and batch are cast for `loss_fn`. Params,
        gradients, model state and optimizer stay in their own dtypes. Sum and average in float32 inside the loss. The
        loss is not scaled, so gradients of float16 may underflow.
      wrap_gradient: `wrap_gradient(grad_fn, hyper) -> grad_fn`, around `jax.value_and_grad` of the loss, such as
        `lambda grad_fn, hyper: optim.sam_gradient(grad_fn, hyper["rho"])`; it wraps that of each micro-batch.

    Returns:
      a step whose metrics are "loss" and those of `loss_fn`, one of which may replace "loss". It raises TypeError when
      the key is None: evaluation goes through `make_eval`. Under `jax.jit(step, donate_argnums=0)` the old state's
      buffers are reused: then no leaf may be in the state twice, as where params also serve as their own first average.

    Raises:
      ValueError, TypeError: `accumulate` is no count of at least 1, or `compute_dtype` no dtype of floats. From the
        step: params that are no floats, a batch that `accumulate` does not divide, a `per_epoch` in `hyper`.

    >>> import jax, jax.numpy as jnp, optax
    >>> from jreg import noise, train
    >>> def loss_fn(params, model_state, key, batch, hyper):
    ...     x, y = batch
    ...     error = noise.dropout(key, x, hyper["rate"]) @ params["kernel"] - y
    ...     return jnp.mean(error**2), (model_state, {})
    >>> step = jax.jit(train.make_step(loss_fn, optax.sgd(0.1)))
    >>> state = train.init_state({"kernel": jnp.zeros((3, 2))}, optax.sgd(0.1))
    >>> state, metrics = step(state, jax.random.key(0), (jnp.ones((4, 3)), jnp.ones((4, 2))), {"rate": 0.5})
    >>> int(state.step), float(metrics["loss"])
    (1, 1.0)
    """
    check = Checks("make_step")
    check.called("loss_fn", loss_fn, LOSS_FORM)
    if not hasattr(optimizer, "update"):
        check.called("optimizer", optimizer, "of hyper, or an optax transformation")
    if wrap_gradient is not None:
        check.called("wrap_gradient", wrap_gradient, "(grad_fn, hyper) -> grad_fn")
    gradient = gradient_of(loss_fn, _floating_dtype(compute_dtype), wrap_gradient)
    value = value_of(loss_fn, compute_dtype)
    if check.integer("accumulate", accumulate) > 1:
        gradient, value = accumulated(gradient, accumulate), accumulated(value, accumulate)

    def step(state: TrainState, key: Key, batch: Tree, hyper: Tree) -> tuple[TrainState, Metrics]:
        key = Checks("step").key(key)
        hyper = at_step("step", hyper, state.step)
        jax.tree_util.tree_map_with_path(_check_trainable, state.params)
        loss, grads, model_state, metrics = gradient(state.params, state.model_state, key, batch, hyper)
        value_fn = _value_fn(value, state.model_state, key, batch, hyper)
        transformation = transformation_of(optimizer, hyper)
        extra = _taken(transformation, {"value": loss, "grad": grads, "value_fn": value_fn})
        updates, opt_state = transformation.update(grads, state.opt_state, state.params, **extra)
        # Updates of 16-bit weights may be float32.
        with jax.numpy_dtype_promotion("standard"):
            params = optax.apply_updates(state.params, updates)
        return TrainState(params, opt_state, model_state, state.step + 1), {"loss": loss, **metrics}

    return step


def make_eval(metric_fn: Callable[[Tree, Tree, Tree, Tree], Mapping[str, Array]]) -> Evaluate:
    """Make `evaluate(state, batch, hyper) -> metrics`. It has no key, so nothing in it can draw noise.

    Args:
      metric_fn: `metric_fn(params, model_state, batch, hyper) -> metrics`, a dict of scalars. In place of a
        `per_step` in `hyper` it gets the number of the state's step.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import train
    >>> evaluate = train.make_eval(lambda params, model_state, batch, hyper: {"loss": jnp.mean((batch - params) ** 2)})
    >>> state = train.init_state(jnp.zeros(()), optax.sgd(0.1))
    >>> float(evaluate(state, jnp.array([1.0, 3.0]), None)["loss"])
    5.0
    """

    Checks("make_eval").called("metric_fn", metric_fn, METRIC_FORM)

    def evaluate(state: TrainState, batch: Tree, hyper: Tree) -> Metrics:
        hyper = at_step("evaluate", hyper, state.step)
        return scalars("evaluate: metric_fn", metric_fn(state.params, state.model_state, batch, hyper))

    return evaluate


def _value_fn(value: Gradient, model_state: Tree, key: Key, batch: Tree, hyper: Tree) -> Callable[[Tree], Array]:
    """The loss of this step as a function of the params alone: every call draws the same noise."""

    def value_fn(params: Tree) -> Array:
        words, to_key = keys.as_words(key)
        return value(params, model_state, to_key(words), batch, hyper)[0]

    return value_fn


def _taken(transformation: Any, extra: dict[str, Any]) -> dict[str, Any]:
    """The extra arguments that a transformation takes: none if it is plain, by name if it lists them."""
    if not isinstance(transformation, optax.GradientTransformationExtraArgs | optax.MultiSteps):
        return {}
    parameters = inspect.signature(transformation.update).parameters.values()
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    names = extra if takes_any else {parameter.name for parameter in parameters}
    return {name: value for name, value in extra.items() if name in names}


def _floating_dtype(dtype: DTypeLike | None) -> DTypeLike | None:
    if dtype is None:
        return None
    try:
        is_array = isinstance(dtype, jax.Array | np.ndarray | np.generic)
        is_floating = not is_array and jnp.issubdtype(jnp.dtype(dtype), jnp.floating)
    except (TypeError, ValueError):
        is_floating = False
    if not is_floating:
        raise TypeError(f"make_step: compute_dtype must be a dtype of floats; got {checks.shown(dtype)}")
    return dtype


def _check_trainable(path: Any, leaf: Any) -> None:
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jnp.inexact):
        raise TypeError(
            f"step: params must hold arrays of floats; at {trees.path_name(path) or 'its root'} it has "
            f"{leaf!r}. {'Make it an array' if isinstance(leaf, float) else 'Keep the rest in model_state'}"
        )
