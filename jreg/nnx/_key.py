"""Turn flax's `deterministic` and `rngs` into a key, or None for no noise."""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
from flax import nnx
from flax.nnx.module import first_from

from .._core import checks
from .._core.types import Key
from ._signature import Signed

Rngs: TypeAlias = nnx.Rngs | nnx.RngStream | jax.Array | None


class Noise(Signed, nnx.Module):
    """What every noise layer takes, with the names and defaults of flax's `Dropout`, and its own stream."""

    def __init__(
        self,
        *,
        deterministic: bool | None = False,
        rng_collection: str = "dropout",
        rngs: nnx.Rngs | nnx.RngStream | None = None,
    ):
        self.deterministic = deterministic
        self.rng_collection = rng_collection
        if not isinstance(rngs, nnx.Rngs | nnx.RngStream | None):
            raise TypeError(f"rngs must be a Rngs, RngStream or None, but got {type(rngs)}.")
        stream = rngs[rng_collection] if isinstance(rngs, nnx.Rngs) else rngs
        self.rngs = nnx.data(None) if stream is None else stream.fork()

    def set_view(self, deterministic: bool | None = None) -> None:
        """Class method used by `nnx.view`.

        Args:
          deterministic: if True, there is no noise.
        """
        if deterministic is not None:
            self.deterministic = deterministic


class WithRate(Noise):
    """A noise layer with a rate, which may be an `nnx.Variable`."""

    def __init__(self, rate: Any, **options: Any):
        super().__init__(**options)
        self.rate = rate


def mode(layer: Any, argument: str, given: bool | None) -> bool:
    """A layer's mode, from the call or else from the layer."""
    name = type(layer).__name__
    return first_from(
        given,
        getattr(layer, argument),
        error_msg=f"""No `{argument}` argument was provided to {name}. Consider one of the following options:

1. Pass `{argument}` to the {name} constructor:

  self.layer = nnx.{name}(..., {argument}=True/False)

2. Pass `{argument}` to the {name} __call__:

  self.layer(x, {argument}=True/False)

3. Use `nnx.view` to create a view of the model with a specific `{argument}` value:

  model_view = nnx.view(model, {argument}=True/False)
""",
    )


def is_quiet(layer: Any, rate: Any, deterministic: bool | None) -> bool:
    """Whether the layer is deterministic or its rate is known to be zero."""
    return mode(layer, "deterministic", deterministic) or checks.is_known(rate, 0.0)


def drawn_key(layer: Any, rngs: Any) -> Key:
    """One key from `rngs` or the layer's own stream."""
    rngs = first_from(
        rngs,
        layer.rngs,
        error_msg=f"`deterministic` is False, but no `rngs` argument was provided to {type(layer).__name__}"
        " as either a __call__ argument or class attribute.",
    )
    if isinstance(rngs, nnx.Rngs):
        return rngs[layer.rng_collection]()
    if isinstance(rngs, nnx.RngStream):
        return rngs()
    if isinstance(rngs, jax.Array):
        return rngs
    raise TypeError(f"rngs must be a Rngs, RngStream or jax.Array, but got {type(rngs)}.")


def key_for(layer: Any, rate: Any, deterministic: bool | None, rngs: Any) -> Key | None:
    """A key, or None for no noise."""
    return None if is_quiet(layer, rate, deterministic) else drawn_key(layer, rngs)


def number(value: Any) -> Any:
    """A number, taken out of its `nnx.Variable` if it is in one."""
    return value[...] if isinstance(value, nnx.Variable) else value
