"""A haiku model with its own batch norm and our dropout, trained by `fit`, `sweep` and `run`.

    python -m examples.haiku_mlp [--epochs 30]

haiku needs no adapter: inside `hk.transform_with_state` call the functions of `jreg`, with a key for training noise and
None without. haiku's params are a dict of dicts, its state is the model state.
"""

import sys
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp

from jreg import noise

from . import three_ways


def network(x: jax.Array, key: jax.Array | None, rate: Any) -> jax.Array:
    x = hk.Linear(128)(x)
    x = jax.nn.relu(hk.BatchNorm(create_scale=True, create_offset=True, decay_rate=0.9)(x, is_training=key is not None))
    return hk.Linear(10)(noise.dropout(key, x, rate))


MODEL = hk.without_apply_rng(hk.transform_with_state(network))


def make(key: jax.Array, rate: Any) -> Any:
    # The state is made in training, so that it is there before the first step.
    params, state = MODEL.init(key, jnp.ones((2, 64)), jax.random.key(0), 0.0)
    return params, state, lambda params, state, key, x: MODEL.apply(params, state, x, key, rate)


def main(arguments: list[str] | None = None) -> float:
    return three_ways.main(make, "haiku_mlp", __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main() < 0.5)
