"""Functional regularization for JAX: pure functions, explicit keys, and no noise without a key."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import augment as augment
    from . import diagnose as diagnose
    from . import linen as linen
    from . import nnx as nnx
    from . import noise as noise
    from . import norm as norm
    from . import optim as optim
    from . import penalty as penalty
    from . import random as random
    from . import targets as targets
    from . import train as train

__version__ = "0.1.0"

NAMESPACES = (
    "augment", "diagnose", "linen", "nnx", "noise", "norm", "optim", "penalty", "random", "targets", "train",
)  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    """Import a namespace when it is first used: all of them take longer than jax's own start needs."""
    if name in NAMESPACES:
        if name in ("linen", "nnx"):
            from ._core.extras import require

            require("flax", "flax", f"jreg.{name}")
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*NAMESPACES, "__version__"]
