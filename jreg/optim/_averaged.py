"""Reading an average, whatever kind it is and wherever it is in the optimizer's state."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from .._core import trees
from .._core.checks import Checks
from .._core.types import Tree
from ._average import AverageState
from ._latest import LatestState
from ._power import PowerState
from ._tracked import check_name, is_hidden

KINDS = (AverageState, LatestState, PowerState)


def averaged_params(opt_state: Any, *, name: str | None = None, params: Tree | None = None) -> Tree:
    """Return the average that a state holds, wherever it is: chained, wrapped, masked, of one run or of many lanes.

    It reads `average_params`, `power_average` and `latest_average`. Before the first update the average is the initial
    weights. It is float32 or wider, and what its mask leaves out is an `optax.MaskedNode`, unless `params` are given.
    To validate averages within a run, give `fit` or `run`
    `validated=lambda state: state._replace(params=optim.averaged_params(state.opt_state, params=state.params))`. The
    statistics of batch norm are not averaged: `norm.recalibrate` measures them for these weights.

    Args:
      opt_state: the state of the optimizer.
      name: which average; needed only where there are several.
      params: the weights, for the leaves that the mask leaves out, and for the dtypes.

    Raises:
      ValueError: no average in the state, none of that name, or several of which the name does not tell one; params
        that do not have the structure and shapes of the average.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import optim
    >>> params = {"body": jnp.ones(2, jnp.bfloat16), "head": jnp.zeros(1)}
    >>> averages = [optim.average_params(decay, name=name) for name, decay in (("short", 0.9), ("long", 0.999))]
    >>> head = optim.average_params(0.99, name="head", mask=optim.matching("head"))
    >>> state = optax.chain(optax.sgd(0.1), *averages, head).init(params)
    >>> optim.averaged_params(state, name="short", params=params)
    {'body': Array([1, 1], dtype=bfloat16), 'head': Array([0.], dtype=float32)}
    >>> optim.averaged_params(state, name="head")
    {'body': MaskedNode(), 'head': Array([0.], dtype=float32)}
    """
    check = Checks("averaged_params")
    if name is not None:
        check_name(check, name)
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, KINDS))
    states = [(next(iter(node.weights)), node) for node in leaves if isinstance(node, KINDS)]
    found = [node for given, node in states if name in (None, given)]
    if len(found) != 1:
        held = ", ".join(repr(given) for given, _ in states) or "none"
        wanted = "one average, or name must tell which" if name is None else f"one average named {name!r}"
        raise ValueError(f"averaged_params: opt_state must hold {wanted}; it holds {held}")
    average = found[0].average
    return average if params is None else _completed(check, average, params)


def _completed(check: Checks, average: Tree, params: Tree) -> Tree:
    """The weights, with the averages in their places and in their dtypes."""

    def complete(mean: Any, w: Any) -> Any:
        return w if is_hidden(mean) or not hasattr(w, "dtype") else jnp.asarray(mean).astype(w.dtype)

    try:
        completed = jax.tree.map(complete, average, params, is_leaf=is_hidden)
    except ValueError as error:
        raise ValueError(f"{check}: params must have the structure of the average; {error}") from error
    trees.same_structure(check, "params", params, completed, model="the average")
    return completed
