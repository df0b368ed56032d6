"""A module and its variables as a pure function, for `jreg.train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flax import linen as nn

from .._core.checks import Checks
from .._core.layers import ModuleFunction
from .._core.types import Key, Tree
from ..random import split


def as_function(
    module: nn.Module, variables: Mapping[str, Any], *, streams: Sequence[str] = ("dropout",)
) -> ModuleFunction:
    """Take a module and its variables apart into params, model state, and a pure function of them.

        apply(params, model_state, key, *args, **kwargs) -> (outputs, model_state)

    With a key every stream gets a key of its own made from it, and all collections but "params" are mutable and come
    back changed. With None there are no streams, and the model state comes back as it was. linen has no one name for
    the mode, so pass the argument that your module has: `apply(params, model_state, key, x, train=key is not None)`.

    Args:
      module: a module that is not bound.
      variables: what `module.init` returned.
      streams: the names of the streams of random numbers that the module draws from.

    Returns:
      params, model_state and apply, which fit `train.init_state`, `loss_fn` and `metric_fn` as they are.

    Raises:
      TypeError: what is no module, or variables that are no dict.
      ValueError: variables without "params".

    >>> import jax, jax.numpy as jnp, optax
    >>> from flax import linen as nn
    >>> import jreg.linen
    >>> from jreg import train
    >>> module = nn.Sequential([nn.Dense(8), jreg.linen.Dropout(0.5, deterministic=False)])
    >>> variables = module.init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, jnp.ones((4, 3)))
    >>> params, model_state, apply = jreg.linen.as_function(module, variables)
    >>> def loss_fn(params, model_state, key, batch, hyper):
    ...     outputs, model_state = apply(params, model_state, key, batch)
    ...     return jnp.mean(outputs**2), (model_state, {})
    >>> step = jax.jit(train.make_step(loss_fn, optax.sgd(0.1)))
    >>> state = train.init_state(params, optax.sgd(0.1), model_state)
    >>> state, metrics = step(state, jax.random.key(2), jnp.ones((4, 3)), None)
    >>> int(state.step)
    1
    """
    check = Checks("as_function")
    if not isinstance(module, nn.Module):
        raise TypeError(f"as_function: module must be a linen module; got {module!r}")
    collections = dict(check.mapping("variables", variables, "collections by name, as module.init returns"))
    if "params" not in collections:
        raise ValueError(f'as_function: variables must hold "params"; got {sorted(collections)}')
    params = collections.pop("params")
    names = tuple(streams)

    def apply(params: Tree, model_state: Tree, key: Key | None, *args: Any, **kwargs: Any) -> tuple[Any, Tree]:
        variables = {"params": params, **model_state}
        if key is None:
            return module.apply(variables, *args, **kwargs), model_state
        keys = split(Checks("apply").key(key), len(names))
        rngs = dict(zip(names, keys, strict=True))
        outputs, changed = module.apply(variables, *args, rngs=rngs, mutable=sorted(model_state), **kwargs)
        return outputs, dict(changed)

    return ModuleFunction(params, collections, apply)
