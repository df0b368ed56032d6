"""From flax's `deterministic` and `rng` to a key, or None for no noise."""

from typing import Any

import flax.linen as nn

from .._core import checks
from .._core.types import Key


class Noise(nn.Module):
    """What every layer of noise takes, with the names and defaults of flax's `Dropout`."""

    rate: Any
    deterministic: bool | None = None
    rng_collection: str = "dropout"


def key_for(module: Any, rate: Any, deterministic: bool | None, rng: Key | None = None) -> Key | None:
    """`rng`, or a key of the module's collection; None where the module is deterministic or its rate is zero."""
    deterministic = nn.merge_param("deterministic", module.deterministic, deterministic)
    if deterministic or checks.is_known(rate, 0.0):
        return None
    return module.make_rng(module.rng_collection) if rng is None else rng
