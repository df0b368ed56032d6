"""Concrete dropout: a relaxed mask that makes the rate learnable, and the loss term for learning it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from .._core import dtypes
from .._core.checks import Checks
from .._core.types import Key, Number, Numbers, Tree
from ..random import signed_uniform
from ._drop import inverse_share, scale
from ._redraw import redrawn

_TINY = float(jnp.finfo(jnp.float32).tiny)


def concrete_dropout(
    key: Key | None, x: Inexact[Array, "*shape"], rate: Numbers, *, temperature: Number = 0.1
) -> Inexact[Array, "*shape"]:
    """Scale each element by a relaxed mask: close to 0 or 1, and differentiable in `rate`.

        y = x * m / (1 - rate),   m = sigmoid((l - logit(rate)) / temperature),   l ~ Logistic(0, 1)

    Learn the rate as `jax.nn.sigmoid(raw_rate)` and add `concrete_regularizer` to the loss: the likelihood alone drives
    the rate to 0. As the temperature falls to 0 this becomes `dropout`; above 0 the mean over keys is only close to x.
    `concrete_dropout(None, x, rate)` is x.

    Args:
      key: one key, or None for no noise.
      rate: probability of dropping, in [0, 1]; a scalar, or an array with x's number of axes. At 0 the result is x and
        at 1 it is 0.
      temperature: width of the relaxation, above 0; the paper's is 0.1.

    Raises:
      ValueError: a concrete rate outside [0, 1] (a traced one gives NaN), or a temperature that is not above 0.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> def size(rate):
    ...     return jnp.sum(noise.concrete_dropout(jax.random.key(0), jnp.ones(100), rate) ** 2)
    >>> bool(jax.grad(size)(0.5) > 0)
    True

    Gal, Hron, Kendall, Concrete Dropout, NIPS 2017.
    """
    check = Checks("concrete_dropout")
    x = check.inexact("x", x)
    rate = check.broadcastable("rate", check.rate("rate", rate), x.shape)
    width = check.scalar("temperature", temperature, 0.0, ends="(]")
    if key is None:
        return x
    key = check.key(key)
    return redrawn(key, x, rate, width, check=check, draw=_relaxed)


def concrete_regularizer(weights: Tree, rate: Number, length_scale: Number, *, num_features: int) -> Float[Array, ""]:
    """Compute the divergence of a layer under dropout from its Gaussian prior, as a loss term for a learned rate.

        length_scale**2 / 2 * sum(w**2) / (1 - rate) - num_features * H(rate)
        H(rate) = -rate * log(rate) - (1 - rate) * log(1 - rate)

    Sum it over the layers, divide by the number of training examples and add it to the mean negative log likelihood.
    The first term shrinks the weights, more strongly at a higher rate; the second pulls the rate towards 0.5.

    Args:
      weights: the kernel applied to the dropped features, or a pytree of arrays, all of which count.
      rate: the layer's rate, in [0, 1): at 1 the divergence is infinite. At 0 the value is exact and the gradient
        finite.
      length_scale: inverse standard deviation of the prior on the weights, at least 0; 0.01 or 0.1 are usual.
      num_features: the number of features that are dropped independently, such as the rows of the kernel.

    Raises:
      ValueError: a concrete rate outside [0, 1) or length scale below 0 (traced ones give NaN), or fewer than one
        feature.

    >>> import jax.numpy as jnp
    >>> from jreg import noise
    >>> float(noise.concrete_regularizer(jnp.ones((3, 2)), 0.0, 1.0, num_features=3))
    3.0

    Gal, Hron, Kendall, Concrete Dropout, NIPS 2017, equation 3.
    """
    check = Checks("concrete_regularizer")
    rate = check.scalar("rate", rate, 0.0, 1.0, ends="[)")
    length_scale = check.scalar("length_scale", length_scale, 0.0)
    num_features = check.integer("num_features", num_features)
    squares = sum(_sum_of_squares(check.inexact("weights", leaf)) for leaf in jax.tree.leaves(weights))
    rate, length_scale = (number.astype(jnp.result_type(squares, 0.0)) for number in (rate, length_scale))
    return 0.5 * length_scale**2 * squares / (1.0 - rate) - float(num_features) * _entropy(rate)


def _relaxed(key: Key, x: Array, rate: Array, temperature: Array) -> Array:
    rate, temperature = rate.astype(jnp.float32), temperature.astype(jnp.float32)
    uniform = signed_uniform(key, x.shape)
    logistic = jnp.log((1.0 + uniform) / (1.0 - uniform))
    # At 0 and 1 the logit is infinite, and infinity times the zero slope of the sigmoid there would be NaN.
    is_inside = (rate >= _TINY) & (rate < 1.0)
    inside = jnp.where(is_inside, rate, 0.5)
    logit = jnp.log(inside) - jnp.log1p(-inside)
    kept = jnp.where(is_inside, jax.nn.sigmoid((logistic - logit) / temperature), jnp.where(rate < _TINY, 1.0, 0.0))
    return scale(x, kept * inverse_share(rate))


def _entropy(rate: Array) -> Array:
    """The entropy in nats; its slope, unbounded at 0, is cut off at 87."""
    return -rate * jnp.log(jnp.maximum(rate, _TINY)) - (1.0 - rate) * jnp.log1p(-rate)


def _sum_of_squares(x: Array) -> Array:
    wide = x.astype(dtypes.widened(x.dtype))
    return jnp.sum(wide.real**2 + wide.imag**2 if jnp.iscomplexobj(x) else wide**2)
