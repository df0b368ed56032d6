"""Stochastic depth: what a step costs where blocks are masked, and where they are not computed."""

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp

from jreg import noise, random

from ..measure import Plan, Suite

RATES = (0.1, 0.2, 0.3, 0.4, 0.5)
BUDGETS = {0.4: {"skip='subset'": 0.68, "skip='cond'": 0.68}}
NUM_BLOCKS = 4


def residual(plan: Plan) -> Iterator[Suite]:
    """The gradient of four residual blocks in every mode, against the blocks without noise."""
    width, batch = plan.size, 512
    x = jax.random.normal(jax.random.key(0), (batch, width))
    kernels = jax.random.normal(jax.random.key(1), (NUM_BLOCKS, 2, width, width)) / width**0.5
    reference = step(kernels, x, 0.0, "mask")
    for rate in RATES[3:4] if plan.is_quick else RATES:
        modes = {f"skip={skip!r}": step(kernels, x, rate, skip) for skip in ("mask", "subset", "cond")}
        name = f"residual blocks, gradient, batch {batch}, width {width}, rate {rate}"
        yield Suite(name, {"no drop": reference, **modes}, BUDGETS.get(rate, {}))


def step(kernels: jax.Array, x: jax.Array, rate: float, skip: Any) -> Callable[[], Any]:
    def loss(kernels: jax.Array, x: jax.Array, key: jax.Array | None) -> jax.Array:
        for block, block_key in zip(kernels, random.split(key, NUM_BLOCKS), strict=True):
            x = noise.residual(
                lambda _, x, block=block: jax.nn.relu(x @ block[0]) @ block[1], block_key, x, rate, skip=skip
            )
        return jnp.mean(x**2)

    # Which blocks a "cond" skips depends on the key, so each call takes the next of 16.
    keys = cycle(list(jax.random.split(jax.random.key(0), 16)))
    gradient = jax.jit(jax.grad(loss))
    return lambda: gradient(kernels, x, next(keys) if rate else None)
