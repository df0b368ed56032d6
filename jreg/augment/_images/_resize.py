"""Crops of any box, resized: the transform that image classifiers are trained with."""

from __future__ import annotations

from functools import partial
from math import ceil

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Real

from ..._core.checks import Checks
from ..._core.types import Key
from ...random import split
from .._draws import Range, bounds, uniform
from .._places import checked_boxes
from ._crop import clipped_boxes
from ._parts import Parts, X, as_floats, as_stored, batch_shape, moved, pair_of_sides, parts_of

_ATTEMPTS = 10
"""How many boxes are drawn for one that fits."""

_SLACK = 0.01
"""How far beyond the border, in pixels, a box may reach by rounding."""


def resized_crop(x: X, boxes: Real[Array, "*batch 4"], *, size: int | tuple[int, int]) -> X:
    """Cut a box out of each image and resize it to `size`, bilinearly.

    An enlarged image takes each pixel from its two neighbours along an axis; a reduced one from all pixels that the new
    one covers, weighted by a triangle (antialiased, as Pillow and torchvision do).

    Args:
      x: images, or a mapping with "image", "mask" and "boxes".
      boxes: (top, left, bottom, right) in pixels, fractions included, inside the image; one for all, (4,), or one for
        each.
      size: (height, width) of the result, or one number for both.

    Raises:
      ValueError: a concrete box that is empty, inverted or not inside the image, by more than a hundredth of a pixel; a
        traced one spoils its image, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment
    >>> image = jnp.linspace(0.0, 1.0, 4)[None, :, None] * jnp.ones((4, 1, 1))
    >>> jax.jit(partial(augment.resized_crop, size=(1, 2)))(image, jnp.array([0.0, 0.0, 4.0, 4.0])).ravel().round(2)
    Array([0.24, 0.76], dtype=float32)
    """
    check = Checks("resized_crop")
    size = pair_of_sides(check, size)
    parts = parts_of(check, x)
    height, width = parts["image"].shape[-3:-1]

    def is_valid(top: Array, left: Array, bottom: Array, right: Array) -> Array:
        is_inside = (top >= -_SLACK) & (left >= -_SLACK) & (bottom <= height + _SLACK) & (right <= width + _SLACK)
        return is_inside & (top < bottom) & (left < right)

    rule = f"0 <= top < bottom <= {height} and 0 <= left < right <= {width}"
    boxes, spoiling = checked_boxes(check, boxes, batch_shape(parts), rule, is_valid)
    return moved(x, parts, lambda parts, box: _resized(parts, box, size), boxes, numbers=(spoiling,))


def random_resized_crop(
    key: Key | None,
    x: X,
    *,
    size: int | tuple[int, int],
    scale: Range = (0.08, 1.0),
    ratio: Range = (3 / 4, 4 / 3),
) -> X:
    """Cut a box of random area, shape and place out of each image and resize it to `size`, by torchvision's law.

    The area is uniform on `scale`, the logarithm of width over height uniform between those of `ratio`; both are drawn
    again until the box fits. If none of ten boxes fits, the box is the largest in the middle, with the ratio in `ratio`
    that is nearest to the image's own: the ratio always keeps its range, the area then may not. Sizes are not rounded
    to whole pixels, unlike torchvision's. The key None resizes the whole image.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".
      size: (height, width) of the result, or one number for both.
      scale: shares of the image's area, in (0, 1]; traced or not.
      ratio: width over height, above 0; traced or not.

    Raises:
      ValueError: a concrete range that is reversed or reaches outside. A traced one spoils the images, as
        `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment
    >>> transform = partial(augment.random_resized_crop, size=(8, 8))
    >>> jax.jit(transform)(jax.random.key(0), jnp.ones((2, 10, 12, 3))).shape
    (2, 8, 8, 3)

    Szegedy et al., Going Deeper with Convolutions, CVPR 2015.
    """
    check = Checks("random_resized_crop")
    size = pair_of_sides(check, size)
    parts = parts_of(check, x)
    sides = parts["image"].shape[-3:-1]
    scale = bounds(check, "scale", scale, 0.0, 1.0, ends="(]")
    ratio = bounds(check, "ratio", ratio, 0.0, ends="()")
    if key is None:
        return resized_crop(x, jnp.array([0, 0, *sides]), size=size)
    boxes = drawn_boxes(check.key(key), batch_shape(parts), sides, scale, ratio)
    numbers = (*scale, *ratio)
    return moved(x, parts, lambda parts, box: _resized(parts, box, size), boxes, numbers=numbers)


@partial(jax.jit, static_argnames=("shape", "sides"), inline=True)
def drawn_boxes(
    key: Key,
    shape: tuple[int, ...],
    sides: tuple[int, int],
    scale: tuple[Array, Array],
    ratio: tuple[Array, Array],
) -> Float[Array, "*shape 4"]:
    """Draw boxes inside an image: the first of ten that fits, or the one in the middle."""
    height, width = map(np.float32, sides)
    size_key, place_key = split(key)
    # All attempts at once: a loop until one fits would take longer than ten of them, and as long as its slowest image.
    shares = uniform(size_key, (2, _ATTEMPTS, *shape), 0.0, 1.0)
    area = (scale[0] + (scale[1] - scale[0]) * shares[0]) * height * width
    lowest, highest = map(jnp.log, ratio)
    aspect = jnp.exp(lowest + (highest - lowest) * shares[1])
    heights, widths = jnp.sqrt(area / aspect), jnp.sqrt(area * aspect)
    fits = (heights <= height) & (widths <= width)
    tall, wide = (jnp.take_along_axis(sizes, jnp.argmax(fits, 0)[None], 0)[0] for sizes in (heights, widths))
    nearest = jnp.clip(width / height, *ratio)
    is_drawn = jnp.any(fits, 0)
    tall = jnp.where(is_drawn, tall, jnp.minimum(height, width / nearest))
    wide = jnp.where(is_drawn, wide, jnp.minimum(width, height * nearest))
    down, along = jnp.where(is_drawn, uniform(place_key, (2, *shape), 0.0, 1.0), 0.5)
    top, left = down * (height - tall), along * (width - wide)
    # Kept apart: each loop over the pixels would draw the boxes anew, which takes XLA's CPU compiler seconds.
    return lax.optimization_barrier(jnp.stack([top, left, top + tall, left + wide], -1))


def _resized(parts: Parts, box: Array, size: tuple[int, int]) -> Parts:
    image = parts["image"]
    colours = as_floats(image)
    for axis in (0, 1):
        colours = _shrunk(colours, axis, box[axis], box[axis + 2], size[axis])
    resized = {"image": as_stored(colours, image.dtype)}
    if "mask" in parts:
        mask = parts["mask"]
        for axis in (0, 1):
            middles = _middles(box[axis], box[axis + 2], size[axis])
            pixels = jnp.clip(jnp.floor(middles).astype(jnp.int32), 0, mask.shape[axis] - 1)
            mask = jnp.take(mask, pixels, axis=axis, mode="clip")
        resized["mask"] = mask
    if "boxes" in parts:
        corner, extent = jnp.tile(box[:2], 2), jnp.tile(box[2:] - box[:2], 2)
        zoom = jnp.array([*size, *size], jnp.float32) / extent
        boxes = (parts["boxes"] - corner[None].astype(parts["boxes"].dtype)) * zoom[None].astype(parts["boxes"].dtype)
        resized["boxes"] = clipped_boxes(boxes, size)
    return resized


def _shrunk(image: Array, axis: int, start: Array, stop: Array, size: int) -> Array:
    """Resample one axis by a triangle as wide as a new pixel, or an old one if that is wider.

    The number of old pixels under it is bounded by the shapes, so that the box itself may be traced.
    """
    length = image.shape[axis]
    half = jnp.maximum((stop - start) / size, 1.0)
    middles = _middles(start, stop, size)
    first = jnp.ceil(middles - half - 0.5)
    total, weighted = jnp.zeros((), image.dtype), jnp.zeros((), image.dtype)
    for tap in range(ceil(2 * max(length / size, 1.0))):
        pixels = first + tap
        is_inside = (pixels >= 0) & (pixels < length)
        weight = jnp.where(is_inside, jnp.maximum(1.0 - jnp.abs(pixels + 0.5 - middles) / half, 0.0), 0.0)
        weight = lax.expand_dims(weight.astype(image.dtype), [i for i in range(image.ndim) if i != axis])
        index = jnp.clip(pixels.astype(jnp.int32), 0, length - 1)
        weighted = weighted + weight * jnp.take(image, index, axis=axis, mode="clip")
        total = total + weight
    return weighted / total


def _middles(start: Array, stop: Array, size: int) -> Array:
    """Where the middles of the new pixels lie among the old ones; pixel i spans [i, i + 1]."""
    return start + (stop - start) / size * (jnp.arange(size, dtype=jnp.float32) + 0.5)
