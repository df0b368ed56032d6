"""What decay and proximal steps add to AdamW."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jreg import optim

from ..measure import Suite

LEARNING_RATE = 1e-3


def update(size: int, rounds: int) -> Iterator[Suite]:
    """One update of AdamW, and the same with jreg's decay and proximal step in its place."""
    params = {f"layer {i}": {"kernel": jnp.ones((size, size)), "bias": jnp.ones(size)} for i in range(4)}
    grads = jax.tree.map(lambda leaf: leaf * 0.1, params)
    decayed = partial(optim.with_decoupled_decay, optax.adam(LEARNING_RATE), 0.01, learning_rate=LEARNING_RATE)
    optimizers = {
        "optax.adamw": optax.adamw(LEARNING_RATE, weight_decay=0.01),
        "with_decoupled_decay": decayed(),
        "with_decoupled_decay + prox_l1": optax.chain(decayed(), optim.prox_l1(0.01, LEARNING_RATE)),
    }

    def step(optimizer: optax.GradientTransformation) -> Callable[[], Any]:
        @jax.jit
        def update(params: Any, state: Any, grads: Any) -> Any:
            updates, state = optimizer.update(grads, state, params)
            return optax.apply_updates(params, updates), state

        return partial(update, params, optimizer.init(params), grads)

    cases = {name: step(made) for name, made in optimizers.items()}
    yield Suite(f"optimizer update, 4 x {size} x {size}", cases, {"with_decoupled_decay + prox_l1": 1.03})
