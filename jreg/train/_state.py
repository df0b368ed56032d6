"""What training carries from step to step. It holds no key, so a step can be replayed from its inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from .._core import checks, trees
from .._core.checks import Checks
from .._core.types import Tree


class TrainState(NamedTuple):
    """What training carries from step to step.

    Attributes:
      params: the parameters.
      opt_state: the state of the optimizer.
      model_state: the state of the model, such as the statistics of batch norm.
      step: the number of updates made.
    """

    params: Tree
    opt_state: Tree
    model_state: Tree
    step: Int[Array, ""]


Validated: TypeAlias = Callable[[TrainState], TrainState]
"""The state of an epoch -> the state that is validated and kept as the best."""


def init_state(params: Tree, optimizer: optax.GradientTransformation, model_state: Tree = ()) -> TrainState:
    """Make the state of a run that has made no step.

    Args:
      params: a pytree of arrays, as `loss_fn` takes it.
      optimizer: a transformation. For one built from hyperparameters, `optimizer(hyper)` with any values: the tree of
        its state does not depend on them.
      model_state: any pytree that `loss_fn` takes and returns; empty for a model without a state.

    Raises:
      TypeError: an optimizer that is no transformation, such as the function that makes it.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import train
    >>> int(train.init_state({"w": jnp.ones(2)}, optax.adam(1e-3)).step)
    0
    """
    check = Checks("init_state")
    trees.check_leaves(check, "params", params)
    check.transformation("optimizer", optimizer)
    return TrainState(params, optimizer.init(params), model_state, jnp.zeros((), jnp.int32))


def judged(check: Checks, state: TrainState, validated: Validated | None) -> TrainState:
    """The state that is validated, and kept as the best: `validated(state)`, or the state itself."""
    made = state if validated is None else validated(state)
    if not isinstance(made, TrainState):
        raise TypeError(
            f"{check}: validated must return a TrainState, such as state._replace(params=...); got {checks.shown(made)}"
        )
    return made
