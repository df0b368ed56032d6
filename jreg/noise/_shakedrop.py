"""ShakeDrop: stochastic depth that shakes the branch instead of dropping it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Inexact

from .._core.checks import Checks
from .._core.types import Key, Number
from ..random import keep_mask, signed_uniform, split
from ._drop import scale
from ._redraw import redrawn


def shakedrop(key: Key | None, branch: Inexact[Array, "batch *shape"], rate: Number) -> Inexact[Array, "batch *shape"]:
    """Scale a residual branch by one random factor forward and another backward: `x + shakedrop(key, f(x), rate)`.

        y = (b + alpha - b * alpha) * branch,   dy = (b + beta - b * beta) * dbranch
        b ~ Bernoulli(1 - rate),   alpha ~ U(-1, 1),   beta ~ U(0, 1)

    The batch shares one b and each example has its own alpha and beta, as in the authors' code: with probability
    1 - rate nothing happens; otherwise the branch is scaled by alpha and its gradient by beta. The gradient is
    therefore not that of any function. Without a key it returns the expectation, (1 - rate) * branch, with its true
    gradient.

    Args:
      key: one key, or None for inference.
      branch: the output of the residual function, before it is added; its first axis is the batch.
      rate: probability of shaking, in [0, 1]; 1 - p in the paper. `depth_rates(0.5, num_layers)` gives the paper's
        rule. With a key, its gradient is zero.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), or no batch axis.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.shakedrop(jax.random.key(0), jnp.ones((6, 3)), 1.0)
    >>> bool((y == y[:, :1]).all() & (abs(y) < 1).all())
    True

    Yamada et al., ShakeDrop Regularization for Deep Residual Learning, IEEE Access 2019.
    """
    check = Checks("shakedrop")
    branch = check.inexact("branch", branch)
    rate = check.scalar("rate", rate, 0.0, 1.0)
    if branch.ndim == 0:
        raise ValueError("shakedrop: branch must have a batch axis; got a scalar")
    if key is None:
        return check.returns(scale(check.reads(branch), 1.0 - rate))
    key = check.key(key)
    return redrawn(key, branch, lax.stop_gradient(rate), check=check, draw=_shaken)


def _shaken(key: Key, branch: Array, rate: Array) -> Array:
    gate_key, forward_key, backward_key = split(key, 3)
    rows = branch.shape[:1] + (1,) * (branch.ndim - 1)
    is_kept = keep_mask(gate_key, (1,) * branch.ndim, rate)
    alpha = signed_uniform(forward_key, rows)
    beta = 0.5 + 0.5 * signed_uniform(backward_key, rows)
    is_bad = jnp.isnan(rate)
    forward, backward = (jnp.where(is_bad, jnp.nan, jnp.where(is_kept, 1.0, factor)) for factor in (alpha, beta))
    return _scale_both_ways(branch, forward, backward)


# A `custom_jvp`, unlike a `custom_vjp`, supports forward mode and second derivatives. Unlike adding and subtracting a
# stopped gradient, it keeps the forward value exact.
@jax.custom_jvp
def _scale_both_ways(x: Array, forward: Array, backward: Array) -> Array:
    """`x * forward`, with the derivative `backward`."""
    return scale(x, forward)


@_scale_both_ways.defjvp
def _scale_both_ways_jvp(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
    _, _, backward = primals
    return _scale_both_ways(*primals), scale(tangents[0], backward)
