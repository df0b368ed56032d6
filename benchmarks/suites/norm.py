"""Batch norm, forward and with its gradient, beside a hand-written closed form and flax's."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jreg import norm

from ..measure import Plan, Suite
from . import torch_process

FEATURES = 256
Function = Callable[[Any, jax.Array], jax.Array]


def batch_norm(plan: Plan) -> Iterator[Suite]:
    """float32[rows, 256]; the reference is a `custom_vjp` with the textbook gradient."""
    rows = plan.size * 2**20 // (4 * FEATURES)
    x, cotangent = (jax.random.normal(key, (rows, FEATURES)) for key in jax.random.split(jax.random.key(0)))
    params, stats = norm.init_batch_norm(FEATURES)
    cases = {
        "closed form": closed_form,
        "jreg.norm.batch_norm": lambda params, x: norm.batch_norm(params, stats, x)[0],
        "jreg, ghost batches of 32": lambda params, x: norm.batch_norm(params, stats, x, ghost_size=32)[0],
        "flax.linen, one pass": partial(linen, use_fast_variance=True),
        "flax.linen, two passes": partial(linen, use_fast_variance=False),
    }
    gradients = {name: partial(gradient, function, cotangent) for name, function in cases.items()}
    for what, functions in (("forward", cases), ("forward and backward", gradients)):
        calls = {case: partial(jax.jit(function), params, x) for case, function in functions.items()}
        backward = functions is gradients
        with torch_process.started(plan, "batch_norm", rows=rows, features=FEATURES, backward=backward) as torch:
            name = f"batch norm {what}, {plan.size} MiB"
            yield Suite(name, {**calls, **torch.cases}, {"jreg.norm.batch_norm": 1.05}, torch.missing)


def gradient(function: Function, cotangent: jax.Array, params: Any, x: jax.Array) -> Any:
    return jax.grad(lambda params, x: jnp.sum(cotangent * function(params, x)), argnums=(0, 1))(params, x)


def linen(params: Any, x: jax.Array, use_fast_variance: bool) -> jax.Array:
    layer = nn.BatchNorm(use_running_average=False, use_fast_variance=use_fast_variance)
    stats = {"mean": jnp.zeros(FEATURES), "var": jnp.ones(FEATURES)}
    variables = {"params": {"scale": params.scale, "bias": params.offset}, "batch_stats": stats}
    y: Any = layer.apply(variables, x, mutable=["batch_stats"])[0]
    return y


@jax.custom_vjp
def closed_form(params: Any, x: jax.Array) -> jax.Array:
    return _closed_forward(params, x)[0]


def _closed_forward(params: Any, x: jax.Array) -> tuple[jax.Array, Any]:
    mean = jnp.mean(x, 0)
    inverse = lax.rsqrt(jnp.mean((x - mean) ** 2, 0) + 1e-5)
    return (x - mean) * (params.scale * inverse) + params.offset, (params, x, mean, inverse)


def _closed_backward(residuals: Any, dy: jax.Array) -> tuple[Any, jax.Array]:
    params, x, mean, inverse = residuals
    normal = (x - mean) * inverse
    by_scale, by_offset = jnp.sum(dy * normal, 0), jnp.sum(dy, 0)
    by_x = params.scale * inverse * (dy - (by_offset + normal * by_scale) / len(x))
    return norm.BatchNormParams(by_scale, by_offset), by_x


closed_form.defvjp(_closed_forward, _closed_backward)
