"""What decay, proximal steps, constraints and averages add to AdamW."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jreg import optim

from ..measure import Suite

LEARNING_RATE = 1e-3
BUDGETS = {"with_decoupled_decay": 1.03, "with_decoupled_decay + prox_l1": 1.03}


def update(size: int, rounds: int) -> Iterator[Suite]:
    """One update of AdamW, the same with jreg's decay in its place, and with each of the others beside it."""
    params = {f"layer {i}": {"kernel": jnp.ones((size, size)), "bias": jnp.ones(size)} for i in range(4)}
    grads = jax.tree.map(lambda leaf: leaf * 0.1, params)
    adamw = optax.adamw(LEARNING_RATE, weight_decay=0.01)
    decayed = optim.with_decoupled_decay(optax.adam(LEARNING_RATE), 0.01, learning_rate=LEARNING_RATE)
    optimizers = {
        "optax.adamw": adamw,
        "with_decoupled_decay": decayed,
        "with_decoupled_decay + prox_l1": optax.chain(decayed, optim.prox_l1(0.01, LEARNING_RATE)),
        "adamw + prox_group_lasso": optax.chain(adamw, optim.prox_group_lasso(0.01, LEARNING_RATE, axis=0)),
        "adamw + constrain_max_norm": optax.chain(adamw, optim.constrain_max_norm(3.0)),
        "adamw + average_params": optax.chain(adamw, optim.average_params(0.999)),
    }

    def step(optimizer: optax.GradientTransformation) -> Callable[[], Any]:
        @jax.jit
        def update(params: Any, state: Any, grads: Any) -> Any:
            updates, state = optimizer.update(grads, state, params)
            return optax.apply_updates(params, updates), state

        return partial(update, params, optimizer.init(params), grads)

    cases = {name: step(made) for name, made in optimizers.items()}
    yield Suite(f"optimizer update, 4 x {size} x {size}", cases, BUDGETS)
