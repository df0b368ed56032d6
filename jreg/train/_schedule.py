"""Schedules in `hyper`: leaves whose number depends on the step or on the epoch, chosen inside the compiled program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, ArrayLike, Int, Real

from .._core import checks, trees
from .._core.checks import Checks
from .._core.types import Tree
from ._contract import refuse_misfits


@partial(jax.tree_util.register_dataclass, data_fields=[], meta_fields=["schedule"])
@dataclass(frozen=True)
class PerStep:
    """A leaf of `hyper` that is a function of the step; a pytree without arrays."""

    schedule: Callable[[Any], Any]


@partial(jax.tree_util.register_dataclass, data_fields=["values"], meta_fields=["schedule"])
@dataclass(frozen=True)
class PerEpoch:
    """A leaf of `hyper` with a number per epoch: an array of them, or else a function of the epoch."""

    values: Any
    schedule: Callable[[Any], Any] | None


def per_step(schedule: optax.Schedule) -> PerStep:
    """Make a leaf of `hyper` that is `schedule(step)`: the loss sees the number of its step.

    `make_step` and `make_eval` put in the number of `state.step`, the count of updates made: for the loss, the
    metrics, an optimizer made from `hyper`, and `wrap_gradient`. Nothing is compiled again as it changes.

    A bare function in `hyper` means the same, but `jax.jit` takes no function as an argument ("not a valid JAX type"):
    where `hyper` goes through a `jit` of your own, write `per_step`. The function is part of what was compiled, so make
    it once. `init_state` wants numbers: give it `optimizer(hyper)` with any number in place of a schedule.

    Args:
      schedule: `schedule(step) -> number`, written with `jax.numpy`, such as any schedule of optax.

    Raises:
      TypeError: a schedule that is no function. From the step: one that returns no number.

    >>> import jax, jax.numpy as jnp, optax
    >>> from jreg import noise, train
    >>> def loss_fn(params, model_state, key, batch, hyper):
    ...     return jnp.mean(noise.dropout(key, batch, hyper["rate"]) @ params), (model_state, {"rate": hyper["rate"]})
    >>> step = jax.jit(train.make_step(loss_fn, optax.sgd(0.1)))
    >>> def rates(schedule, num_steps):
    ...     state, found = train.init_state(jnp.zeros(3), optax.sgd(0.1)), []
    ...     for key in jax.random.split(jax.random.key(0), num_steps):
    ...         state, metrics = step(state, key, jnp.ones((4, 3)), {"rate": train.per_step(schedule)})
    ...         found.append(round(float(metrics["rate"]), 2))
    ...     return found

    Dropout that rises, an easy task first (curriculum dropout), and dropout that ends early (early dropout):

    >>> rates(lambda step: 0.5 * (1.0 - jnp.exp(-1.0 * step)), 4)
    [0.0, 0.32, 0.43, 0.48]
    >>> rates(lambda step: jnp.where(step < 2, 0.5, 0.0), 4)
    [0.5, 0.5, 0.0, 0.0]

    Morerio et al., Curriculum Dropout, ICCV 2017; Liu et al., Dropout Reduces Underfitting, ICML 2023.
    """
    return PerStep(Checks("per_step").called("schedule", schedule, "(step) -> number"))


def per_epoch(values: Real[ArrayLike, "epochs *shape"] | Callable[[Any], Any]) -> PerEpoch:
    """Make a leaf of `hyper` with a number for each epoch: the loss and the validation see that of their epoch.

    `fit` and `run` put in the number of the epoch, counted from 0; past the end the last value holds, also in a result
    that `fit` continues. A step called by hand knows no epoch, and refuses it.

    The array is data: change it and nothing is compiled again, and `vmap` and `sweep` map over rows of it. There it has
    shape (settings, epochs). `run` compares it on a resume; it cannot compare functions.

    Args:
      values: an array with an entry per epoch on its first axis, or a function `epoch -> number`, written with
        `jax.numpy`. A function is part of what was compiled, so make it once.

    Raises:
      ValueError: an array without an entry or without an axis, or with NaN, or numbers that do not fit into the dtype
        in which JAX holds them.
      TypeError: values that are no real numbers. From `fit` and `run`: a function that returns no number.

    >>> import jax, jax.numpy as jnp, optax
    >>> from jreg import noise, train
    >>> def loss_fn(params, model_state, key, images, hyper):
    ...     x = noise.dropblock(key, images, hyper["rate"], block_size=3)
    ...     return jnp.mean(x @ params), (model_state, {"rate": hyper["rate"]})
    >>> step = train.make_step(loss_fn, optax.sgd(0.1))
    >>> evaluate = train.make_eval(lambda params, model_state, images, hyper: {"loss": jnp.mean(images @ params)})
    >>> state, images = train.init_state(jnp.ones(3), optax.sgd(0.1)), jnp.ones((4, 8, 8, 3))
    >>> def rates(values):
    ...     hyper = {"rate": train.per_epoch(values)}
    ...     key = jax.random.key(0)
    ...     result = train.fit(step, evaluate, state, key, images, images, hyper, batch_size=2, epochs=5)
    ...     return [round(rate, 2) for rate in result.train_history["rate"].tolist()]

    A DropBlock ramp from 0 to its rate, and the same as a function:

    >>> rates(jnp.linspace(0.0, 0.1, 3))
    [0.0, 0.05, 0.1, 0.1, 0.1]
    >>> rates(lambda epoch: 0.1 * jnp.minimum(epoch / 2, 1.0))
    [0.0, 0.05, 0.1, 0.1, 0.1]

    Ghiasi et al., DropBlock: A Regularization Method for Convolutional Networks, NeurIPS 2018.
    """
    check = Checks("per_epoch")
    if callable(values):
        return PerEpoch(None, values)
    array: Any = values if hasattr(values, "dtype") else np.asarray(values)
    if not checks.is_real(array):
        raise TypeError(
            f"per_epoch: values must be an array of real numbers or a function of the epoch; got {checks.shown(values)}"
        )
    check.array("values", array)
    if not array.ndim or not array.size:
        raise ValueError(
            f"per_epoch: values must have an entry per epoch on its first axis, at least one; got shape {array.shape}"
        )
    if not checks.is_traced(array):
        refuse_misfits(check, "values", np.asarray(array))
    return PerEpoch(array, None)


def bare_wrapped(hyper: Tree) -> Tree:
    """`hyper` as `jax.jit` takes it: a bare function becomes a `per_step`."""
    return jax.tree.map(lambda leaf: PerStep(leaf) if _is_bare(leaf) else leaf, hyper)


def is_schedule(node: Any) -> bool:
    """Whether a node of `hyper` is one of the two kinds of schedule."""
    return isinstance(node, PerStep | PerEpoch)


def at_step(function: str, hyper: Tree, step: Int[Array, ""]) -> Tree:
    """`hyper` with the number of a step in place of each schedule; `function` is who asks."""
    check = Checks(function)

    def number(path: Any, leaf: Any) -> Any:
        if isinstance(leaf, PerEpoch):
            raise TypeError(
                f"{check}: hyper must hold numbers, arrays and schedules of the step; at {_place(path)} it has a "
                "per_epoch, in whose place fit and run put the number of their epoch"
            )
        if not isinstance(leaf, PerStep) and not _is_bare(leaf):
            return leaf
        return _called(check, path, leaf.schedule if isinstance(leaf, PerStep) else leaf, step)

    return _replaced(number, hyper)


def at_epoch(check: Checks, hyper: Tree, epoch: Any) -> Tree:
    """`hyper` with the number of an epoch in place of each `per_epoch`; on the host, unless it is traced."""

    def number(path: Any, leaf: Any) -> Any:
        if not isinstance(leaf, PerEpoch):
            return leaf
        if leaf.schedule is None and not jnp.ndim(leaf.values):
            raise ValueError(
                f"{check}: hyper must hold an entry per epoch in a per_epoch, in a sweep on the axis after the "
                f"settings; at {_place(path)} it has a scalar"
            )
        found = _entry(leaf, epoch, check=check, path=path)
        return found if checks.is_traced(found) else np.asarray(found)

    return _replaced(number, hyper)


@partial(jax.jit, static_argnames=("check", "path"))
def _entry(node: PerEpoch, epoch: Any, *, check: Checks, path: Any) -> Array:
    """The entry of an epoch, never weakly typed: it is the same number in `fit` and in `run`."""
    if node.schedule is None:
        # The index is clamped: past its end the last value holds.
        return lax.dynamic_index_in_dim(jnp.asarray(node.values), epoch, keepdims=False)
    found = _called(check, path, node.schedule, epoch)
    return jnp.array(found, jnp.result_type(found))


def _called(check: Checks, path: Any, schedule: Callable[[Any], Any], count: Any) -> Any:
    # Schedules of optax divide counts.
    with jax.numpy_dtype_promotion("standard"):
        found = schedule(count)
    trees.check_leaf(check, "hyper", path, found)
    return found


def _replaced(number: Callable[[Any, Any], Any], hyper: Tree) -> Tree:
    """The given tree itself where nothing is scheduled."""
    leaves = jax.tree.leaves(hyper, is_leaf=is_schedule)
    if not any(is_schedule(leaf) or _is_bare(leaf) for leaf in leaves):
        return hyper
    return jax.tree_util.tree_map_with_path(number, hyper, is_leaf=is_schedule)


def _is_bare(leaf: Any) -> bool:
    """Whether a leaf is a function: a class, such as a dtype, is none."""
    return callable(leaf) and not isinstance(leaf, type)


def _place(path: Any) -> str:
    return trees.path_name(path) or "its root"
