"""What training carries from step to step. The key is not in it: a step can be replayed from its inputs."""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from .._core import checks, trees
from .._core.types import Tree


class TrainState(NamedTuple):
    """Parameters, the optimizer's state, the model's own state (such as batch norm statistics), updates completed."""

    params: Tree
    opt_state: Tree
    model_state: Tree
    step: Int[Array, ""]


def init_state(params: Tree, optimizer: optax.GradientTransformation, model_state: Tree = ()) -> TrainState:
    """Make the state of a run that has made no step.

    Args:
      optimizer: a transformation. For one built from hyperparameters, `optimizer(hyper)`: the state's tree depends on
        no value of theirs.

    Raises:
      TypeError: an optimizer that is no transformation, such as the function that makes it.

    >>> import jax.numpy as jnp, optax
    >>> from jreg import train
    >>> int(train.init_state({"w": jnp.ones(2)}, optax.adam(1e-3)).step)
    0
    """
    trees.check_leaves("init_state", "params", params)
    checks.transformation("init_state", "optimizer", optimizer)
    return TrainState(params, optimizer.init(params), model_state, jnp.zeros((), jnp.int32))
