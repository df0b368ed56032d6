"""Dropout: zero each element on its own, or whole slices at a time."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Array, Inexact

from .._core.checks import Checks
from .._core.types import Bits, Key, Numbers
from ..random import hash_bits
from ._drop import drop, shape_of_slices


def dropout(
    key: Key | None,
    x: Inexact[Array, "*shape"],
    rate: Numbers,
    *,
    shared_axes: int | Sequence[int] = (),
    bits: Bits = hash_bits,
) -> Inexact[Array, "*shape"]:
    """Zero each element with probability `rate` and divide the others by 1 - rate.

        y = m * x / (1 - rate),   m ~ Bernoulli(1 - rate)

    Elements along `shared_axes` share one draw. `dropout(None, x, rate)` is x. A dropped NaN becomes 0.

    The mask depends only on key, shape and rate, so inside `jax.shard_map` one key gives every shard the same mask. To
    vary it, fold the shard's index into the key once, outermost: `random.fold_in(key, jax.lax.axis_index(name))`.

    Args:
      key: one key, or None for no noise.
      rate: probability of dropping, in [0, 1]; a scalar, or an array with x's number of axes, such as (batch, 1). Its
        gradient is zero: to learn a rate, use `concrete_dropout`.
      shared_axes: axes along which the mask is constant; negative ones count from the end.
      bits: the function that draws the uniform uint32 words. `jax.random.bits` draws JAX's own, several times slower;
        fix its dtype with `partial(jax.random.bits, dtype="uint32")`, or x64 mode changes the mask.

    Raises:
      ValueError: a concrete rate outside [0, 1]. A traced one gives NaN.
      TypeError: x holds integers or a dtype without a 0, or `key` is not a key.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.dropout(jax.random.key(0), jnp.ones(1000), 0.5)
    >>> sorted(set(y.tolist()))
    [0.0, 2.0]

    Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 2014.
    """
    check = Checks("dropout")
    check.called("bits", bits, "bits(key, shape) that returns uint32")
    return drop_slices(check, key, x, rate, shared_axes, bits)


def spatial_dropout(
    key: Key | None,
    x: Inexact[Array, "*shape"],
    rate: Numbers,
    *,
    spatial_axes: int | Sequence[int] | None = None,
) -> Inexact[Array, "*shape"]:
    """Zero whole feature maps: `dropout` with one draw per example and channel.

    Neighbouring pixels carry the same information, so dropping single pixels removes little of it; dropping a whole map
    removes it.

    Args:
      key: one key, or None for no noise.
      x: by default (batch, *space, channels).
      rate: probability of dropping a map, in [0, 1].
      spatial_axes: the axes that a map spans; None takes all but the first and the last. Pass them for unbatched or
        channels-first data: the rank is never used to guess them.

    Raises:
      ValueError: `spatial_axes` is None and x has fewer than three axes.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import noise
    >>> y = noise.spatial_dropout(jax.random.key(0), jnp.ones((2, 4, 4, 8)), 0.5)
    >>> bool(((y == 0).mean((1, 2)) % 1 == 0).all())
    True

    Tompson et al., Efficient Object Localization Using Convolutional Networks, CVPR 2015.
    """
    check = Checks("spatial_dropout")
    ndim = check.inexact("x", x).ndim
    if spatial_axes is None:
        if ndim < 3:
            raise ValueError(
                f"spatial_dropout: x must be (batch, *space, channels) when spatial_axes is None; got shape {x.shape}"
            )
        spatial_axes = range(1, ndim - 1)
    return drop_slices(check, key, x, rate, spatial_axes, hash_bits, "spatial_axes")


def drop_slices(
    check: Checks,
    key: Key | None,
    x: Array,
    rate: Numbers,
    shared_axes: int | Sequence[int],
    bits: Bits,
    axes_argument: str = "shared_axes",
) -> Array:
    """Check a dropout's arguments and draw once per slice along `shared_axes`, which errors call `axes_argument`."""
    x = check.inexact("x", x)
    rate = check.broadcastable("rate", check.rate("rate", rate), x.shape)
    shared = check.axes(axes_argument, shared_axes, x.ndim)
    if key is None:
        return x
    mask_shape = shape_of_slices(x.shape, shared)
    return drop(check.key(key), x, rate, check=check, mask_shape=mask_shape, bits=bits)
