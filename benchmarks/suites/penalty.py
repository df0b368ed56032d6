"""What a penalty costs a training step: its value and its gradient."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax

from jreg import penalty

from ..measure import Plan, Suite


def family(plan: Plan) -> Iterator[Suite]:
    """Penalties on weights against `x * c`, and those on matrices against one matrix product."""
    size = plan.size
    x = jax.random.normal(jax.random.key(0), (size, 512, 512))
    reference = x * 0.5
    whole = {
        "x * c": jax.jit(lambda x: x * 0.5),
        "l1": gradient(penalty.l1),
        "l2": gradient(penalty.l2),
        "elastic_net": gradient(partial(penalty.elastic_net, l1_ratio=0.5)),
        "group_lasso, first axis": gradient(partial(penalty.group_lasso, axis=0)),
        "group_lasso, last axis": gradient(partial(penalty.group_lasso, axis=-1)),
        "l2_sp": gradient(partial(penalty.l2_sp, reference=reference)),
        "activity_l1": gradient(penalty.activity_l1),
        "total_variation": gradient(penalty.total_variation),
    }
    yield Suite(f"penalties and gradients, {size} MB of float32", bound(whole, x))

    side = min(1024, 128 * size)
    kernel = jax.random.normal(jax.random.key(0), (side, side))
    matrix = {
        "w @ w": jax.jit(lambda w: w @ w),
        "orthogonality": gradient(penalty.orthogonality),
        "spectral": gradient(penalty.spectral),
        "spectral, 30 iterations": gradient(partial(penalty.spectral, num_steps=30)),
    }
    yield Suite(f"penalties and gradients, {side} x {side}", bound(matrix, kernel))


def gradient(measure: Callable[..., Any]) -> Callable[[jax.Array], Any]:
    return jax.jit(jax.value_and_grad(measure))


def bound(cases: dict[str, Callable[[jax.Array], Any]], x: jax.Array) -> dict[str, Callable[[], Any]]:
    return {name: partial(case, x) for name, case in cases.items()}
