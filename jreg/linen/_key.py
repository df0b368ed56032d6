"""Turn flax's `deterministic` and `rng` into a key, or None for no noise."""

from __future__ import annotations

from typing import Any

import flax.linen as nn

from .._core import checks
from .._core.types import Key


class Noise(nn.Module):
    """What every noise layer takes, with the names and defaults of flax's `Dropout`."""

    rate: Any
    deterministic: bool | None = None
    rng_collection: str = "dropout"


def is_quiet(module: Any, rate: Any, deterministic: bool | None) -> bool:
    """Whether the module is deterministic or its rate is known to be zero."""
    return nn.merge_param("deterministic", module.deterministic, deterministic) or checks.is_known(rate, 0.0)


def drawn_key(module: Any, rng: Key | None) -> Key:
    """`rng`, or a key from the module's collection."""
    return module.make_rng(module.rng_collection) if rng is None else rng


def key_for(module: Any, rate: Any, deterministic: bool | None, rng: Key | None = None) -> Key | None:
    """A key, or None for no noise."""
    return None if is_quiet(module, rate, deterministic) else drawn_key(module, rng)
