"""A module as a pure function, for `jreg.train` and for every other transformation of JAX."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from .._core.checks import Checks
from .._core.layers import ModuleFunction
from .._core.types import Key, Tree
from ..random import split


def as_function(module: nnx.Module) -> ModuleFunction:
    """Take a module apart into params, model state, and a pure function of them.

        apply(params, model_state, key, *args, **kwargs) -> (outputs, model_state)

    With a key the module runs in training mode (`module.train()`), every stream of random numbers has a key of its own
    made from it, and the model state comes back changed. With None it runs in evaluation mode (`module.eval()`): no
    noise, and the model state comes back as it was. The module itself is copied and never changed.

    Args:
      module: a module whose variables hold arrays; layers that share a variable still share it.

    Returns:
      params, model_state and apply, which fit `train.init_state`, `loss_fn` and `metric_fn` as they are.

    Raises:
      TypeError: what is no module, such as its class.

    >>> import jax, jax.numpy as jnp, optax
    >>> from flax import nnx
    >>> import jreg.nnx
    >>> from jreg import train
    >>> module = nnx.Sequential(nnx.Linear(3, 8, rngs=nnx.Rngs(0)), jreg.nnx.Dropout(0.5, rngs=nnx.Rngs(1)))
    >>> params, model_state, apply = jreg.nnx.as_function(module)
    >>> def loss_fn(params, model_state, key, batch, hyper):
    ...     outputs, model_state = apply(params, model_state, key, batch)
    ...     return jnp.mean(outputs**2), (model_state, {})
    >>> step = jax.jit(train.make_step(loss_fn, optax.sgd(0.1)))
    >>> state = train.init_state(params, optax.sgd(0.1), model_state)
    >>> state, metrics = step(state, jax.random.key(0), jnp.ones((4, 3)), None)
    >>> int(state.step)
    1
    """
    if not isinstance(module, nnx.Module):
        raise TypeError(f"as_function: module must be an nnx.Module; got {module!r}")
    structure, params, streams, others = nnx.split(nnx.clone(module), nnx.Param, nnx.RngState, ...)
    names = sorted({stream.key.tag for _, stream in nnx.iter_graph(module) if isinstance(stream, nnx.RngStream)})

    def apply(params_: Tree, model_state: Tree, key: Key | None, *args: Any, **kwargs: Any) -> tuple[Any, Tree]:
        states = [_filled(params, params_), jax.tree.map(lambda leaf: leaf, streams), _filled(others, model_state)]
        copy = nnx.merge(structure, *states)
        if key is None:
            copy.eval()
        else:
            copy.train()
            keys: dict[str, Any] = dict(zip(names, split(Checks("apply").key(key), len(names)), strict=True))
            nnx.reseed(copy, **keys)
        outputs = copy(*args, **kwargs)
        _, _, _, changed = nnx.split(copy, nnx.Param, nnx.RngState, ...)
        return outputs, nnx.to_pure_dict(changed)

    return ModuleFunction(nnx.to_pure_dict(params), nnx.to_pure_dict(others), apply)


def _filled(state: nnx.State, values: Tree) -> nnx.State:
    """A copy of a state with other values: nothing that is merged may share a variable with the original."""
    filled = jax.tree.map(lambda leaf: leaf, state)
    nnx.replace_by_pure_dict(filled, values)
    return filled
