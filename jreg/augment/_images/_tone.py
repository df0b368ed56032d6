"""Curves of tone: what a pixel becomes depends on its own value, and at most on the values of its channel."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..._core.checks import Checks
from ..._core.spoil import spoiled
from ..._core.types import Numbers
from ._parts import X, number_per_image, parts_of, recoloured


def invert(x: X) -> X:
    """The negative, 1 - x.

    Args:
      x: images, or a mapping with "image".

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.invert(jnp.array([[[0.25]]])).ravel().tolist()
    [0.75]
    """
    return recoloured(x, parts_of(Checks("invert"), x), lambda image: 1.0 - image)


def solarize(x: X, threshold: Numbers) -> X:
    """Invert colours at or above a threshold.

    Args:
      x: images, or a mapping with "image".
      threshold: at least 0; one for all, or one per image. Above 1 it keeps all.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.solarize)(jnp.array([[[0.25], [0.75]]]), 0.5).ravel().tolist()
    [0.25, 0.25]
    """
    check = Checks("solarize")
    parts = parts_of(check, x)
    return recoloured(x, parts, solarized, number_per_image(check, "threshold", threshold, parts, 0.0))


def posterize(x: X, bits: Numbers) -> X:
    """Keep the highest bits of each colour, counted in steps of 1 / 255.

    Args:
      x: images, or a mapping with "image".
      bits: in [0, 8], rounded; one for all, or one per image.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.posterize)(jnp.array([[[255, 100, 3]]], jnp.uint8), 2).ravel().tolist()
    [192, 64, 0]
    """
    check = Checks("posterize")
    parts = parts_of(check, x)
    return recoloured(x, parts, posterized, number_per_image(check, "bits", bits, parts, 0.0, 8.0))


def autocontrast(x: X) -> X:
    """Stretch each channel of each image to the whole of [0, 1]; a channel of one value stays.

    Args:
      x: images, or a mapping with "image".

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.autocontrast)(jnp.array([[[0.25], [0.5], [0.75]]])).ravel().tolist()
    [0.0, 0.5, 1.0]
    """
    return recoloured(x, parts_of(Checks("autocontrast"), x), stretched)


def equalize(x: X) -> X:
    """Flatten the histogram of each channel of each image, in 256 steps, as Pillow does.

    Args:
      x: images, or a mapping with "image".

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> ramp = jnp.arange(256, dtype=jnp.uint8).reshape(16, 16, 1)
    >>> bool((jax.jit(augment.equalize)(ramp) == ramp).all())
    True
    """
    return recoloured(x, parts_of(Checks("equalize"), x), equalized)


def solarized(image: Array, threshold: Array) -> Array:
    return spoiled(jnp.where(image < threshold, image, 1.0 - image), threshold)


def posterized(image: Array, bits: Array) -> Array:
    step = jnp.exp2(8.0 - jnp.round(bits))
    return jnp.floor(jnp.round(image * 255.0) / step) * step / 255.0


def stretched(image: Array) -> Array:
    low, high = (extreme(image, (-3, -2), keepdims=True) for extreme in (jnp.min, jnp.max))
    return jnp.where(high > low, (image - low) / jnp.where(high > low, high - low, 1.0), image)


def equalized(image: Array) -> Array:
    flatten = jax.vmap(_equalized_channel, in_axes=-1, out_axes=-1)
    for _ in range(image.ndim - 3):
        flatten = jax.vmap(flatten)
    return flatten(image)


def _equalized_channel(channel: Array) -> Array:
    levels = jnp.round(jnp.clip(channel, 0.0, 1.0) * 255.0).astype(jnp.int32)
    counts = jnp.zeros(256, jnp.int32).at[levels].add(1, mode="promise_in_bounds")
    below = jnp.cumsum(counts) - counts
    highest = jnp.max(jnp.where(counts > 0, jnp.arange(256), 0))
    step = (channel.size - counts[highest]) // 255
    curve = jnp.clip((below + step // 2) // jnp.maximum(step, 1), 0, 255).astype(channel.dtype) / 255.0
    return jnp.where(step > 0, curve.at[levels].get(mode="promise_in_bounds"), channel)
