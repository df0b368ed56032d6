"""Colours: brightness, contrast, saturation, hue and grey.

The first three move an image away from something plain, as Pillow's `ImageEnhance` and torchvision do:

    y = clip(factor * x + (1 - factor) * plain, 0, 1)

where plain is black, the mean grey or the grey of each pixel. A factor of 1 keeps the image, 0 gives the plain one, and
more than 1 exaggerates. Every function of colours clips to [0, 1]: normalize after them, not before.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ..._core.checks import Checks
from ..._core.types import Numbers
from ._parts import X, number_per_image, parts_of, recoloured


def adjust_brightness(x: X, factor: Numbers) -> X:
    """Multiply colours by a factor, and clip to [0, 1].

    Args:
      x: images, or a mapping with "image".
      factor: at least 0; one for all, or one per image. 1 keeps the image.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.adjust_brightness)(jnp.array([[[0.25], [0.75]]]), 2.0).ravel().tolist()
    [0.5, 1.0]
    """
    return adjusted(Checks("adjust_brightness"), x, factor, brightened)


def adjust_contrast(x: X, factor: Numbers) -> X:
    """Scale the distance of colours from the image's mean grey by a factor, and clip to [0, 1].

    Args:
      x: images, or a mapping with "image".
      factor: at least 0; one for all, or one per image. 1 keeps the image.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.adjust_contrast)(jnp.array([[[0.25], [0.75]]]), 0.5).ravel().tolist()
    [0.375, 0.625]
    """
    return adjusted(Checks("adjust_contrast"), x, factor, contrasted, (1, 3))


def adjust_saturation(x: X, factor: Numbers) -> X:
    """Scale the distance of colours from their own grey by a factor, and clip to [0, 1].

    Args:
      x: images, or a mapping with "image".
      factor: at least 0; one for all, or one per image. 1 keeps the image.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.adjust_saturation)(jnp.array([[[1.0, 0.0, 0.0]]]), 0.0)
    Array([[[0.299, 0.299, 0.299]]], dtype=float32)
    """
    return adjusted(Checks("adjust_saturation"), x, factor, saturated, (1, 3))


def adjust_hue(x: X, shift: Numbers) -> X:
    """Turn the hues by a share of the colour circle, keeping value and saturation.

    Args:
      x: images, or a mapping with "image".
      shift: in [-0.5, 0.5]; one for all, or one per image. 1/3 turns red into green.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.adjust_hue)(jnp.array([[[1.0, 0.0, 0.0]]]), 1 / 3).round(3).ravel().tolist()
    [0.0, 1.0, 0.0]
    """
    check = Checks("adjust_hue")
    parts = parts_of(check, x, (3,))
    return recoloured(x, parts, tinted, number_per_image(check, "shift", shift, parts, -0.5, 0.5))


def grayscale(x: X) -> X:
    """The grey of each pixel, 0.299 red + 0.587 green + 0.114 blue, in as many channels as before.

    Args:
      x: images, or a mapping with "image".

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.grayscale(jnp.array([[[0.0, 1.0, 0.0]]]))
    Array([[[0.587, 0.587, 0.587]]], dtype=float32)
    """
    parts = parts_of(Checks("grayscale"), x, (1, 3))
    return recoloured(x, parts, lambda image: jnp.broadcast_to(grey(image), image.shape))


def brightened(image: Array, factor: Array) -> Array:
    return factor * image


def contrasted(image: Array, factor: Array) -> Array:
    # Rows first, and kept apart from the rest: fused into one sum over both axes it runs at a quarter of the speed.
    *lead, height, width, channels = image.shape
    row = lax.optimization_barrier(jnp.mean(image.reshape(*lead, height, width * channels), -2))
    mean = jnp.mean(row.reshape(*lead, 1, width, channels), -2, keepdims=True)
    return away_from(grey(mean), image, factor)


def saturated(image: Array, factor: Array) -> Array:
    return away_from(grey(image), image, factor)


def tinted(image: Array, shift: Array) -> Array:
    """Turn hues by the closed form of HSV to RGB: a channel is V - VS * clip(min(k, 4 - k), 0, 1), k = (n + 6 H) mod 6.

    One broadcast over the channels in place of six cases keeps it a single loop over the image.
    """
    red, green, blue = _channels(image)
    value = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = value - jnp.minimum(jnp.minimum(red, green), blue)
    per_chroma = 1.0 / jnp.where(chroma == 0.0, 1.0, chroma)
    green_sector = jnp.where(value == green, 2.0 + (blue - red) * per_chroma, 4.0 + (red - green) * per_chroma)
    sector = jnp.where(value == red, (green - blue) * per_chroma, green_sector)
    starts = lax.broadcasted_iota(jnp.int32, (1,) * (image.ndim - 1) + (3,), image.ndim - 1)
    turned = sector + 6.0 * shift + (5 - 2 * starts).astype(image.dtype)
    turned = turned - 6.0 * jnp.floor(turned / 6.0)
    return jnp.where(shift == 0.0, image, value - chroma * jnp.clip(jnp.minimum(turned, 4.0 - turned), 0.0, 1.0))


def grey(image: Array) -> Array:
    """The grey of each pixel, in one channel."""
    if image.shape[-1] == 1:
        return image
    red, green, blue = _channels(image)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def adjusted(check: Checks, x: X, factor: Numbers, change: Callable[..., Array], channels: tuple[int, ...] = ()) -> X:
    """Change the images by a checked factor of at least 0."""
    parts = parts_of(check, x, channels)
    return recoloured(x, parts, change, number_per_image(check, "factor", factor, parts, 0.0))


def away_from(plain: Array, image: Array, factor: Array) -> Array:
    return jnp.clip(factor * image + (1.0 - factor) * plain, 0.0, 1.0)


def _channels(image: Array) -> tuple[Array, Array, Array]:
    # Slices that keep the axis: they fuse into one loop over the image, as indexed planes do not.
    return image[..., 0:1], image[..., 1:2], image[..., 2:3]
