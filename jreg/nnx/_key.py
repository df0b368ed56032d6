"""From flax's `deterministic` and `rngs` to a key, or None for no noise."""

from typing import Any

import jax
from flax import nnx
from flax.nnx.module import first_from

from .._core import checks
from .._core.types import Key


class Noise(nnx.Module):
    """What every layer of noise takes, with the names and defaults of flax's `Dropout`: a stream of its own."""

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


def key_for(layer: Any, rate: Any, deterministic: bool | None, rngs: Any) -> Key | None:
    """One key from `rngs` or the layer's own stream; None where the layer is deterministic or its rate is zero."""
    name = type(layer).__name__
    deterministic = first_from(
        deterministic,
        layer.deterministic,
        error_msg=f"No `deterministic` argument was provided to {name}, neither when made nor when called.",
    )
    if deterministic or checks.is_known(rate, 0.0):
        return None
    rngs = first_from(
        rngs,
        layer.rngs,
        error_msg=f"`deterministic` is False, but no `rngs` argument was provided to {name}"
        " as either a __call__ argument or class attribute.",
    )
    if isinstance(rngs, nnx.Rngs):
        return rngs[layer.rng_collection]()
    if isinstance(rngs, nnx.RngStream):
        return rngs()
    if isinstance(rngs, jax.Array):
        return rngs
    raise TypeError(f"rngs must be a Rngs, RngStream or jax.Array, but got {type(rngs)}.")


def number(value: Any) -> Any:
    """A number, out of its `nnx.Variable` if it is in one."""
    return value[...] if isinstance(value, nnx.Variable) else value
