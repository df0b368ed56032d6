"""A flax nnx model with dropout and batch norm, trained by `fit`, `sweep` and `run`.

    python -m examples.nnx_mlp [--epochs 30]

`jreg.nnx.as_function` takes a module apart into params, model state and a pure function of them: the module trains with
a key and evaluates with None, its streams of keys are seeded by the key of the step, and its running statistics are the
model state. flax's own layers work the same way as those of `jreg.nnx`.
"""

import sys
from typing import Any

import jax
from flax import nnx

import jreg.nnx

from . import three_ways


class Model(nnx.Module):
    def __init__(self, rate: Any, *, rngs: nnx.Rngs, width: int = 128):
        self.first = nnx.Linear(64, width, rngs=rngs)
        self.norm = jreg.nnx.BatchNorm(width, momentum=0.9, rngs=rngs)
        self.dropout = jreg.nnx.Dropout(rate, rngs=rngs)
        self.head = nnx.Linear(width, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head(self.dropout(nnx.relu(self.norm(self.first(x)))))


def make(key: jax.Array, rate: Any) -> Any:
    return jreg.nnx.as_function(Model(rate, rngs=nnx.Rngs(key)))


def main(arguments: list[str] | None = None) -> float:
    return three_ways.main(make, "nnx_mlp", __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main() < 0.5)
