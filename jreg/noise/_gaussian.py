"""Gaussian noise on activations, multiplied or added.

The normals enter as `x + std * n`, so the gradients in rate and standard deviation are those of each draw, and
unbiased. Where such a number is not differentiated, nothing is stored for it.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Inexact

from .._core import dtypes
from .._core.checks import Checks
from .._core.types import Key, Numbers
from ..random import normal
from ._drop import scale
from ._redraw import redrawn


def gaussian_dropout(key: Key | None, x: Inexact[Array, "*shape"], rate: Numbers) -> Inexact[Array, "*shape"]:
    """Multiply by Gaussian noise with the mean and variance of dropout's mask.

        y = x * (1 + sqrt(rate / (1 - rate)) * n),   n ~ N(0, 1)

    No element is set to zero, and factors can be negative. `gaussian_dropout(None, x, rate)` is x.

    Args:
      key: one key, or None for no noise.
      rate: the rate of the dropout to imitate, in [0, 1): at 1 the variance is infinite. A scalar, or an array with x's
        number of axes. It can be learned: its gradient is that of the draw, but 0 at rate 0, where that is unbounded.

    Raises:
      ValueError: a concrete rate outside [0, 1). A traced one gives NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.gaussian_dropout(jax.random.key(0), jnp.ones(10_000), 0.2)
    >>> bool((abs(y.mean() - 1) < 0.02) & (abs(y.std() - 0.5) < 0.02))
    True

    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014, section 10.
    """
    check = Checks("gaussian_dropout")
    x = check.inexact("x", x)
    rate = check.number("rate", rate, 0.0, 1.0, ends="[)")
    rate = check.broadcastable("rate", rate, x.shape)
    if key is None:
        return x
    return redrawn(check.key(key), x, rate, check=check, draw=_multiplied)


def gaussian_noise(key: Key | None, x: Inexact[Array, "*shape"], std: Numbers) -> Inexact[Array, "*shape"]:
    """Add Gaussian noise of a given standard deviation.

        y = x + std * n,   n ~ N(0, 1)

    For complex x the noise is complex, as in `jax.random.normal`: each part has half of the variance std**2.
    `gaussian_noise(None, x, std)` is x.

    Args:
      key: one key, or None for no noise.
      std: standard deviation in the units of x, at least 0; a scalar, or an array with x's number of axes. It can be
        learned: its gradient is that of the draw.

    Raises:
      ValueError: a concrete `std` below 0 or infinite. A traced one gives NaN.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.gaussian_noise(jax.random.key(0), jnp.ones(10_000), 0.5)
    >>> bool((abs(y.mean() - 1) < 0.02) & (abs(y.std() - 0.5) < 0.02))
    True

    Bishop, Training with Noise is Equivalent to Tikhonov Regularization, Neural Computation 1995.
    """
    check = Checks("gaussian_noise")
    x = check.inexact("x", x)
    std = check.broadcastable("std", check.number("std", std, 0.0, ends="[)"), x.shape)
    return x if key is None else add_normal(check.key(key), x, std, check=check)


def add_normal(key: Key, x: Inexact[Array, "..."], std: Array, *, check: Checks) -> Inexact[Array, "..."]:
    """Add normals of standard deviation `std`, which must have passed `Checks.number`."""
    return redrawn(key, x, std, check=check, draw=_added)


def _added(key: Key, x: Array, std: Array) -> Array:
    wide = dtypes.widened(x.dtype)
    noise = _complex_normal(key, x.shape, std) if jnp.iscomplexobj(x) else normal(key, x.shape, std)
    return (x.astype(wide) + noise.astype(wide)).astype(x.dtype)


def _multiplied(key: Key, x: Array, rate: Array) -> Array:
    return scale(x, 1.0 + normal(key, x.shape, _std(rate.astype(jnp.float32))))


def _complex_normal(key: Key, shape: tuple[int, ...], std: Array) -> Array:
    part = std.astype(jnp.float32) * 0.5**0.5
    real, imaginary = normal(key, (2, *shape), part if part.ndim == 0 else part[None])
    return lax.complex(real, imaginary)


def _std(rate: Array) -> Array:
    """sqrt(rate / (1 - rate)), with gradient 0 at rate 0, where the root's own is infinite."""
    none = rate == 0.0
    return jnp.where(none, 0.0, jnp.sqrt(jnp.where(none, 1.0, rate / (1.0 - rate))))
