"""Sharpness-aware minimization: the gradient is taken where the loss nearby is highest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from .._core import dtypes
from .._core.checks import Checks
from .._core.types import Number, Tree

ADAPTIVE_FLOOR = 0.01
"""Added to |w| in the adaptive form, as in the paper's code, so that a weight of zero can still move."""


def sam_gradient(
    grad_fn: Callable[..., Any],
    rho: Number,
    *,
    adaptive: bool = False,
    every: int = 1,
    step: Number | None = None,
) -> Callable[..., Any]:
    """Make a gradient function that looks at w + e, the point within `rho` where the loss is highest to first order.

        e = rho * g / |g|_2                        plain: a ball in the weights
        e = rho * t^2 g / |t g|_2, t = |w| + 0.01  adaptive: a ball relative to the weights' sizes

    It calls `grad_fn` twice with the same further arguments, so both passes see the same key and the same masks. If the
    gradient is zero, so is e. The value and anything else that `grad_fn` returns come from the first pass, at w: batch
    norm statistics are not those of the perturbed weights.

    With `every=k` only steps 0, k, 2k, ... make the second pass, and the others give the gradient at w: a step costs
    1 + 1/k passes on average. In a `vmap` over several steps all of them make it. LookSAM, which reuses a part of the
    last second pass in between, needs a state and is not this.

    Args:
      grad_fn: what `jax.grad(loss)` or `jax.value_and_grad(loss, has_aux=...)` returns: a function of (params, ...)
        that returns the gradients, or a pair with the gradients second.
      rho: radius, at least 0; 0.05 is usual, and 0.5 to 2 for the adaptive form. At 0 the result is that of `grad_fn`.
      adaptive: which of the two balls.
      every: how many steps one second pass is for, at least 1.
      step: the number of this step, from 0, which `every` above 1 needs. For `train.make_step`, put
        `train.per_step(lambda step: step)` into `hyper`, and take it from there in `wrap_gradient`.

    Raises:
      ValueError: a concrete rho or step below 0 (a traced one gives NaN), `every` above 1 without a step, or a
        `grad_fn` that returns neither of the two.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import optim
    >>> gradient = optim.sam_gradient(jax.value_and_grad(lambda w: jnp.sum(w**2)), 0.5)
    >>> value, gradients = gradient(jnp.array([3.0, 4.0]))
    >>> float(value), [f"{g:.1f}" for g in gradients]
    (25.0, ['6.6', '8.8'])

    Foret et al., Sharpness-Aware Minimization, ICLR 2021; for `adaptive` Kwon et al., ASAM, ICML 2021;
    for `every` Liu et al., Towards Efficient and Scalable Sharpness-Aware Minimization, CVPR 2022.
    """
    check = Checks("sam_gradient")
    adaptive = check.flag("adaptive", adaptive)
    check.called("grad_fn", grad_fn, "of (params, ...), such as jax.grad(loss)")
    check.valid_scalar("rho", rho, low=0.0, ends="[)")
    every = check.integer("every", every, bits=31)
    if every > 1 and step is None:
        raise ValueError(f"sam_gradient: step must be given with every={every}, the number of this step; got None")
    if step is not None:
        check.valid_scalar("step", step, low=0.0, ends="[)")

    def gradient(params: Tree, *args: Any, **kwargs: Any) -> Any:
        radius = check.scalar("rho", rho, low=0.0, ends="[)")
        first = grad_fn(params, *args, **kwargs)
        here = _gradients(first, params)

        def uphill() -> Tree:
            return _gradients(grad_fn(_perturbed(params, here, radius, adaptive), *args, **kwargs), params)

        found = uphill() if every == 1 else _in_turn(check, every, step, uphill, here)
        return found if first is here else (first[0], found)

    return gradient


def _in_turn(check: Checks, every: int, step: Any, uphill: Callable[[], Tree], here: Tree) -> Tree:
    number = check.scalar("step", step, low=0.0, ends="[)")
    gradients = lax.cond(number % every == 0.0, uphill, lambda: here)
    # A step that is NaN is nobody's turn.
    return jax.tree.map(lambda leaf: leaf + jnp.where(jnp.isnan(number), jnp.nan, 0.0).astype(leaf.dtype), gradients)


def _gradients(result: Any, params: Tree) -> Tree:
    """The gradients, which `jax.grad` returns alone and `jax.value_and_grad` second; no finite tree fits both."""
    structure = jax.tree.structure(params)
    if jax.tree.structure(result) == structure:
        return result
    if isinstance(result, tuple) and len(result) == 2 and jax.tree.structure(result[1]) == structure:
        return result[1]
    raise ValueError(
        "sam_gradient: grad_fn must return gradients in the structure of params, or a pair with them second; "
        f"got {jax.tree.structure(result)} for {structure}"
    )


def _perturbed(params: Tree, gradients: Tree, rho: Float[Array, ""], adaptive: bool) -> Tree:
    wide = jax.tree.map(lambda leaf: jnp.asarray(leaf).astype(dtypes.widened(jnp.result_type(leaf))), params)
    scales = jax.tree.map(lambda w: jnp.abs(w).astype(w.dtype) + ADAPTIVE_FLOOR if adaptive else jnp.ones_like(w), wide)
    ascents = jax.tree.map(lambda scale, g: scale * jnp.conj(g).astype(scale.dtype), scales, gradients)
    squares = [jnp.sum(jnp.real(leaf * jnp.conj(leaf))) for leaf in jax.tree.leaves(ascents)]
    square = sum((part.astype(rho.dtype) for part in squares), start=jnp.zeros((), rho.dtype))
    share = rho * jnp.where(square == 0.0, 0.0, lax.rsqrt(jnp.where(square == 0.0, 1.0, square)))

    def move(leaf: Any, w: Array, scale: Array, ascent: Array) -> Array:
        return (w + share.astype(w.dtype) * scale * ascent).astype(jnp.result_type(leaf))

    return jax.tree.map(move, params, wide, scales, ascents)
