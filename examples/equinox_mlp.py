"""An equinox model with dropout and batch norm by direct calls, trained by `fit`, `sweep` and `run`.

    python -m examples.equinox_mlp [--epochs 30]

equinox needs no adapter: a module is a pytree, so `jreg` works on it. `eqx.partition` separates the arrays from the
functions, as optimizers need it. A key (or None) and the statistics of batch norm are arguments like any other.
"""

import sys
from typing import Any

import equinox as eqx
import jax

from jreg import noise, norm, random

from . import three_ways


class Model(eqx.Module):
    first: eqx.nn.Linear
    norm_params: norm.BatchNormParams
    head: eqx.nn.Linear

    def __init__(self, key: jax.Array, width: int = 128):
        first_key, head_key = random.split(key)
        self.first = eqx.nn.Linear(64, width, key=first_key)
        self.norm_params, _ = norm.init_batch_norm(width)
        self.head = eqx.nn.Linear(width, 10, key=head_key)

    def __call__(self, stats: Any, key: jax.Array | None, x: jax.Array, rate: Any) -> tuple[jax.Array, Any]:
        x = jax.vmap(self.first)(x)
        if key is None:
            x = norm.batch_norm_inference(self.norm_params, stats, x)
        else:
            x, stats = norm.batch_norm(self.norm_params, stats, x, decay=0.9)
        return jax.vmap(self.head)(noise.dropout(key, jax.nn.relu(x), rate)), stats


def make(key: jax.Array, rate: Any) -> Any:
    params, static = eqx.partition(Model(key), eqx.is_inexact_array)
    _, stats = norm.init_batch_norm(128)
    return params, stats, lambda params, stats, key, x: eqx.combine(params, static)(stats, key, x, rate)


def main(arguments: list[str] | None = None) -> float:
    return three_ways.main(make, "equinox_mlp", __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main() < 0.5)
