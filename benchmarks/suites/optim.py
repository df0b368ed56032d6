"""What decay, proximal steps, constraints and averages add to AdamW."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jreg import optim

from ..measure import Plan, Step, Suite
from ..torch_peer import LEARNING_RATE
from . import torch_process

DECAY = 0.01
BUDGETS = {"with_decoupled_decay": 1.03, "with_decoupled_decay + prox_l1": 1.03}


def update(plan: Plan) -> Iterator[Suite]:
    """One update of AdamW, the same with jreg's decay in its place, and with each of the others beside it."""
    size = plan.size
    params = {f"layer {i}": {"kernel": jnp.ones((size, size)), "bias": jnp.ones(size)} for i in range(4)}
    grads = jax.tree.map(lambda leaf: leaf * 0.1, params)
    adamw = optax.adamw(LEARNING_RATE, weight_decay=DECAY)
    decayed = optim.with_decoupled_decay(optax.adam(LEARNING_RATE), DECAY, learning_rate=LEARNING_RATE)
    optimizers = {
        "optax.adamw": adamw,
        "with_decoupled_decay": decayed,
        "with_decoupled_decay + prox_l1": optax.chain(decayed, optim.prox_l1(0.01, LEARNING_RATE)),
        "adamw + prox_group_lasso": optax.chain(adamw, optim.prox_group_lasso(0.01, LEARNING_RATE, axis=0)),
        "with_l1": optim.with_l1(adamw, 0.01),
        "with_elastic_net": optim.with_elastic_net(adamw, 0.01, 0.01),
        "with_group_lasso": optim.with_group_lasso(adamw, 0.01, axis=0),
        "adamw + constrain_max_norm": optax.chain(adamw, optim.constrain_max_norm(3.0)),
        "adamw + average_params": optax.chain(adamw, optim.average_params(0.999)),
        "adamw + average_params, every 100": optax.chain(adamw, optim.average_params(1.0, every=100)),
        "adamw + power_average": optax.chain(adamw, optim.power_average(0.1)),
        "adamw + latest_average of 4, every 100": optax.chain(adamw, optim.latest_average(4, every=100)),
    }

    def step(optimizer: optax.GradientTransformation, params: Any = params, grads: Any = grads) -> Step:
        def update(state: Any, grads: Any) -> Any:
            params, optimizer_state = state
            updates, optimizer_state = optimizer.update(grads, optimizer_state, params)
            return optax.apply_updates(params, updates), optimizer_state

        return Step(update, (params, optimizer.init(params)), (grads,))

    cases: dict[str, Any] = {name: step(made) for name, made in optimizers.items()}
    with torch_process.started(plan, "adamw", size=size, decay=DECAY) as torch:
        cases |= {f"{name} AdamW": case for name, case in torch.cases.items()}
        yield Suite(f"optimizer update, 4 x {size} x {size}", cases, BUDGETS, torch.missing)

    # Eigenvalues take long: a kernel of its own size.
    side = min(size, 256)
    kernel = jnp.ones((side, side)) + jnp.eye(side)
    capped = optax.chain(adamw, optim.constrain_spectral_norm(1.0))
    spectral = {
        "optax.adamw": step(adamw, kernel, kernel),
        "adamw + constrain_spectral_norm": step(capped, kernel, kernel),
    }
    yield Suite(f"optimizer update, {side} x {side}", spectral, {})
