"""Parts of images erased: rectangles of random shape, squares, a grid."""

from __future__ import annotations

from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Real

from ..._core.checks import Checks
from ..._core.spoil import spoiled
from ..._core.types import Key, Numbers
from ...random import keep_mask, signed_uniform, split
from .._draws import Range, bounds, integers, uniform
from .._places import checked_boxes
from ._parts import Parts, X, as_stored, batch_shape, colour, number_per_image, parts_of, with_parts

Pattern = Literal["constant", "channel", "pixel"]


def erase(x: X, boxes: Real[Array, "*batch 4"], *, fill: Numbers = 0.0) -> X:
    """Fill a box of each image.

    Args:
      x: images, or a mapping with "image"; masks and boxes stay: what they mark is still there, unseen.
      boxes: (top, left, bottom, right) in pixels, the last two exclusive; one for all, (4,), or one for each. Boxes are
        cut at the border and may be empty. Fractions round up.
      fill: the colour, in [0, 1]; one number, or one per channel.

    Raises:
      ValueError: a concrete box that is inverted or holds NaN; a traced one spoils its image, as `jreg.augment` says.

    >>> import jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.erase(jnp.ones((2, 3, 1)), jnp.array([0, 1, 2, 3]))[..., 0].tolist()
    [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    """
    check = Checks("erase")
    parts = parts_of(check, x)
    rule = "top <= bottom and left <= right"
    boxes, spoiling = checked_boxes(
        check, boxes, batch_shape(parts), rule, lambda top, left, bottom, right: (top <= bottom) & (left <= right)
    )
    shade = colour(check, fill, parts)
    return _filled(x, parts, _inside(parts["image"], boxes), shade, jnp.max(shade), spoiling)


def random_erase(
    key: Key | None,
    x: X,
    prob: Numbers,
    *,
    scale: Range = (0.02, 0.33),
    ratio: Range = (0.3, 3.3),
    pattern: Pattern = "constant",
    fill: Numbers = 0.0,
) -> X:
    """Fill a box of random area, shape and place in each image with probability `prob`; the key None fills none.

    The area is uniform on `scale`, the logarithm of width over height uniform on that part of `ratio` for which the box
    fits. No draw is repeated until one fits, so a strip of 300 x 5 pixels costs no more than a square.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image"; masks and boxes stay.
      prob: in [0, 1]; one for all, or one per image.
      scale: shares of the image's area, in [0, 1]; traced or not.
      ratio: width over height, above 0; traced or not.
      pattern: "constant", or noise uniform on [0, 1): one colour per image ("channel"), or one per pixel ("pixel").
      fill: the colour of the constant, in [0, 1]; one number, or one per channel.

    Raises:
      ValueError: a concrete number outside. A traced one spoils the images, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment
    >>> transform = jax.jit(partial(augment.random_erase, scale=(0.1, 0.2)))
    >>> y = transform(jax.random.key(0), jnp.ones((10, 10, 1)), 1.0)
    >>> bool(0.8 <= y.mean() + 0.06 and y.mean() <= 0.96)
    True

    Zhong et al., Random Erasing Data Augmentation, AAAI 2020.
    """
    check = Checks("random_erase")
    parts = parts_of(check, x)
    check.choice("pattern", pattern, get_args(Pattern))
    prob = number_per_image(check, "prob", prob, parts, 0.0, 1.0)
    scale, ratio = bounds(check, "scale", scale, 0.0, 1.0), bounds(check, "ratio", ratio, 0.0, ends="()")
    constant = colour(check, fill, parts)
    if key is None:
        return x
    prob_key, box_key, noise_key = split(check.key(key), 3)
    shape = batch_shape(parts)
    kept = keep_mask(prob_key, shape, prob)
    heights, widths, down, along = _box(box_key, shape, parts["image"].shape[-3:-1], scale, ratio)
    boxes = jnp.where(kept[..., None], 0.0, _whole_box(parts["image"], heights, widths, down, along))
    shade = _shade(noise_key, pattern, parts, constant)
    return _filled(x, parts, _inside(parts["image"], boxes), shade, prob, heights, jnp.max(constant))


def cutout(key: Key | None, x: X, *, size: int, pattern: Pattern = "constant", fill: Numbers = 0.0) -> X:
    """Fill a square of each image, centred on any of its pixels and cut at the border; the key None fills none.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image"; masks and boxes stay.
      size: side of the square in pixels.
      pattern: "constant", or noise uniform on [0, 1): one colour per image ("channel"), or one per pixel ("pixel").
      fill: the colour of the constant, in [0, 1]; one number, or one per channel.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment
    >>> y = jax.jit(partial(augment.cutout, size=4))(jax.random.key(0), jnp.ones((64, 8, 8, 1)))
    >>> bool(((y == 0).sum((1, 2, 3)) >= 4).all() & ((y == 0).sum((1, 2, 3)) <= 16).all())
    True

    DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.
    """
    check = Checks("cutout")
    size = check.integer("size", size, bits=31)
    check.choice("pattern", pattern, get_args(Pattern))
    parts = parts_of(check, x)
    constant = colour(check, fill, parts)
    if key is None:
        return x
    *keys, noise_key = split(check.key(key), 3)
    starts = [integers(keys[i], batch_shape(parts), parts["image"].shape[i - 3]) - size // 2 for i in (0, 1)]
    boxes = jnp.stack([*starts, *(start + size for start in starts)], -1)
    shade = _shade(noise_key, pattern, parts, constant)
    return _filled(x, parts, _inside(parts["image"], boxes), shade, jnp.max(constant))


def grid_mask(key: Key | None, x: X, keep: Numbers, *, unit: Range = (0.25, 0.5), fill: Numbers = 0.0) -> X:
    """Fill squares on a grid of random pitch and place in each image; the key None fills none.

    A square of the grid's pitch d keeps all but a corner of side (1 - keep) d.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image"; masks and boxes stay.
      keep: in [0, 1], 0.6 in the paper; one for all, or one per image. 1 keeps all.
      unit: the range of the pitch as a share of the shorter side, above 0; traced or not.
      fill: the colour, in [0, 1]; one number, or one per channel.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> y = jax.jit(augment.grid_mask)(jax.random.key(0), jnp.ones((100, 100, 1)), 0.5)
    >>> bool(abs(y.mean() - 0.75) < 0.1)
    True

    Chen et al., GridMask Data Augmentation, 2020.
    """
    check = Checks("grid_mask")
    parts = parts_of(check, x)
    image = parts["image"]
    keep = number_per_image(check, "keep", keep, parts, 0.0, 1.0)
    low, high = bounds(check, "unit", unit, 0.0, ends="()")
    shade = colour(check, fill, parts)
    if key is None:
        return x
    unit_key, *start_keys = split(check.key(key), 3)
    shape = batch_shape(parts)
    pitch = jnp.maximum(jnp.round(uniform(unit_key, shape, low, high) * min(image.shape[-3:-1])), 1.0)
    hole = jnp.round((1.0 - keep) * pitch)

    def is_hole(start_key: Key, axis: int) -> Array:
        start = jnp.floor(uniform(start_key, shape, 0.0, 1.0) * pitch)
        first, period, size = (number[..., None, None, None] for number in (start, pitch, hole))
        # In the image's own axes: a reshape between this and the image takes XLA's CPU compiler seconds.
        positions = lax.broadcasted_iota(jnp.float32, (*image.shape[:-1], 1), image.ndim + axis) + first
        return positions - period * jnp.floor(positions / period) < size

    is_filled = is_hole(start_keys[0], -3) & is_hole(start_keys[1], -2)
    return _filled(x, parts, is_filled, shade, keep, pitch, jnp.max(shade))


def _box(key: Key, shape: tuple[int, ...], size: tuple[int, ...], scale: tuple, ratio: tuple) -> tuple[Array, ...]:
    """Draw the height and width of boxes that fit an image, and two shares in (0, 1) that say where they lie.

    The area is a share of the image uniform on `scale`, and the logarithm of the aspect ratio, width over height, is
    uniform on that part of `ratio` for which the box fits; if it fits for none, the ratio is the nearest that fits.
    Drawing again until the box fits gives the same law but need not end, as on a strip of 300 x 5 pixels.
    """
    height, width = map(np.float32, size)
    area_key, ratio_key, top_key, left_key = split(key, 4)
    area = uniform(area_key, shape, *scale) * height * width
    lowest, highest = (jnp.clip(end, area / height**2, width**2 / area) for end in ratio)
    aspect = jnp.exp(uniform(ratio_key, shape, jnp.log(lowest), jnp.log(highest)))
    heights, widths = jnp.sqrt(area / aspect), jnp.sqrt(area * aspect)
    return heights, widths, uniform(top_key, shape, 0.0, 1.0), uniform(left_key, shape, 0.0, 1.0)


def _whole_box(image: Array, heights: Array, widths: Array, down: Array, along: Array) -> Array:
    """A box of whole pixels inside the image, each place equally likely."""
    height, width = image.shape[-3:-1]
    tall, wide = jnp.clip(jnp.round(heights), 0, height), jnp.clip(jnp.round(widths), 0, width)
    top, left = jnp.floor(down * (height - tall + 1)), jnp.floor(along * (width - wide + 1))
    return jnp.stack([top, left, top + tall, left + wide], -1)


def _shade(key: Key, pattern: Pattern, parts: Parts, constant: Array) -> Array:
    """What a box is filled with: a constant, or noise in one colour per image or per pixel."""
    if pattern == "constant":
        return constant
    shape = parts["image"].shape
    return 0.5 * signed_uniform(key, shape if pattern == "pixel" else (*shape[:-3], 1, 1, shape[-1])) + 0.5


def _inside(image: Array, boxes: Array) -> Bool[Array, "*batch height width 1"]:
    height, width = image.shape[-3:-1]
    rows, columns = (
        lax.broadcasted_iota(boxes.dtype, (*boxes.shape[:-1], size), boxes.ndim - 1) for size in (height, width)
    )
    top, left, bottom, right = (boxes[..., i : i + 1] for i in range(4))
    is_row, is_column = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    return is_row[..., :, None, None] & is_column[..., None, :, None]


def _filled(x: X, parts: Parts, is_filled: Array, shade: Array, *numbers: Array) -> X:
    """Fill the images with a colour where `is_filled`; spoiled where a number is NaN."""
    image = parts["image"]
    stored = as_stored(shade.astype(jnp.float32), image.dtype)
    return with_parts(x, {"image": spoiled(jnp.where(is_filled, stored, image), *numbers)})
