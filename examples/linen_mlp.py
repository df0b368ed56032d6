"""A flax linen model with dropout and batch norm, trained by `fit`, `sweep` and `run`.

    python -m examples.linen_mlp [--epochs 30]

`jreg.linen.as_function` takes a module and its variables apart into params, model state and a pure function of them.
The function gives the module its streams of keys and makes its collections mutable where there is a key. linen has no
one name for the mode, so the argument that this module has, `train`, is set from the key.
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

import jreg.linen

from . import three_ways


class Model(nn.Module):
    rate: Any
    width: int = 128

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        x = nn.Dense(self.width)(x)
        x = nn.relu(jreg.linen.BatchNorm(momentum=0.9, use_running_average=not train)(x))
        x = jreg.linen.Dropout(self.rate, deterministic=not train)(x)
        return nn.Dense(10)(x)


def make(key: jax.Array, rate: Any) -> Any:
    module = Model(rate)
    params, model_state, apply = jreg.linen.as_function(module, module.init(key, jnp.ones((2, 64)), train=False))
    return params, model_state, lambda *given: apply(*given, train=given[2] is not None)


def main(arguments: list[str] | None = None) -> float:
    return three_ways.main(make, "linen_mlp", __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main() < 0.5)
