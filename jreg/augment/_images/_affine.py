"""Affine maps of the plane: rotation, shear, translation, and any other matrix."""

from __future__ import annotations

from typing import get_args

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Real

from ..._core.checks import Checks
from ..._core.types import Numbers
from .._places import numbers_for
from ._crop import clipped_boxes
from ._parts import Direction, Parts, X, as_floats, as_stored, batch_shape, colour, moved, number_per_image, parts_of


def affine(x: X, matrix: Real[Array, "*batch 2 3"], *, fill: Numbers = 0.0) -> X:
    """Resample images at an affine map of their pixels, bilinearly.

        y[p] = x[matrix @ (p, 1)]

    p = (row, column) counts pixels of the result, with pixel centres at whole numbers: the matrix says where each pixel
    comes from, as in `scipy.ndimage.affine_transform`.

    Args:
      x: images, or a mapping with "image", "mask" and "boxes".
      matrix: one for all images, (2, 3), or one for each.
      fill: the colour beyond the border, in [0, 1]; one number, or one per channel.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> one_to_the_left = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    >>> jax.jit(augment.affine)(jnp.array([[[0.25], [0.5]]]), one_to_the_left).ravel().tolist()
    [0.5, 0.0]
    """
    check = Checks("affine")
    parts = parts_of(check, x)
    matrix = jnp.asarray(numbers_for(check, "matrix", matrix, batch_shape(parts), (2, 3))).astype(jnp.float32)
    return resampled(check, x, parts, matrix, fill)


def rotate(x: X, degrees: Numbers, *, fill: Numbers = 0.0) -> X:
    """Turn images counter-clockwise about their centre.

    Args:
      x: images, or a mapping with "image", "mask" and "boxes".
      degrees: the angle; one for all, or one per image.
      fill: the colour beyond the border, in [0, 1]; one number, or one per channel.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.rotate)(jnp.array([[[0.0], [1.0]], [[0.0], [0.5]]]), 90.0)[..., 0].round(4).tolist()
    [[1.0, 0.5], [0.0, 0.0]]
    """
    check = Checks("rotate")
    parts = parts_of(check, x)
    degrees = number_per_image(check, "degrees", degrees, parts)
    return resampled(check, x, parts, about_centre(rotation(degrees), parts["image"]), fill)


def shear(
    x: X,
    degrees: Numbers,
    *,
    direction: Direction = "horizontal",
    fill: Numbers = 0.0,
) -> X:
    """Push the rows (or columns) of images along themselves, in proportion to their distance from the centre.

    Args:
      x: images, or a mapping with "image", "mask" and "boxes".
      degrees: the angle, in (-90, 90), by which a vertical line then leans to the right ("horizontal"), or a
        horizontal one downwards ("vertical"); one for all, or one per image.
      direction: "horizontal" moves rows, "vertical" columns.
      fill: the colour beyond the border, in [0, 1]; one number, or one per channel.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.shear)(jnp.eye(3)[..., None], 45.0)[..., 0].round(4).tolist()
    [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    """
    check = Checks("shear")
    check.choice("direction", direction, get_args(Direction))
    parts = parts_of(check, x)
    lean = jnp.tan(jnp.deg2rad(number_per_image(check, "degrees", degrees, parts, -90.0, 90.0)))
    flat = jnp.zeros_like(lean)
    linear = shearing(flat, lean) if direction == "horizontal" else shearing(lean, flat)
    return resampled(check, x, parts, about_centre(linear, parts["image"]), fill)


def translate(x: X, shift: Real[Array, "*batch 2"], *, fill: Numbers = 0.0) -> X:
    """Move images by whole pixels or fractions of them.

    Args:
      x: images, or a mapping with "image", "mask" and "boxes".
      shift: (down, right) in pixels; one for all, (2,), or one for each.
      fill: the colour beyond the border, in [0, 1]; one number, or one per channel.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.translate)(jnp.array([[[0.5], [1.0]]]), jnp.array([0.0, 1.0])).ravel().tolist()
    [0.0, 0.5]
    """
    check = Checks("translate")
    parts = parts_of(check, x)
    batch = batch_shape(parts)
    shift = jnp.asarray(numbers_for(check, "shift", shift, batch, (2,))).astype(jnp.float32)
    shift = jnp.broadcast_to(shift, (*batch, 2))
    identity = jnp.broadcast_to(jnp.eye(2, dtype=jnp.float32), (*batch, 2, 2))
    return resampled(check, x, parts, jnp.concatenate([identity, -shift[..., None]], -1), fill)


def rotation(degrees: Array) -> Float[Array, "*batch 2 2"]:
    """Where pixels come from, about the centre, when an image turns counter-clockwise; rows point down."""
    cosine, sine = jnp.cos(jnp.deg2rad(degrees)), jnp.sin(jnp.deg2rad(degrees))
    return _square(cosine, sine, -sine, cosine)


def shearing(down: Array, right: Array) -> Float[Array, "*batch 2 2"]:
    """Where pixels come from when columns move down by `down` per column, and rows right by `right` per row upwards."""
    one = jnp.ones_like(down)
    return _square(one, -down, right, one)


def _square(*entries: Array) -> Float[Array, "*batch 2 2"]:
    # One stack: of stacks of what was drawn, XLA's CPU compiler makes a program that takes it seconds.
    return jnp.stack(entries, -1).reshape(*entries[0].shape, 2, 2)


def about_centre(linear: Array, image: Array, shift: Array | None = None) -> Float[Array, "*batch 2 3"]:
    """The matrix of a linear map that keeps the images' centre, or moves it by `shift` pixels."""
    height, width = image.shape[-3:-1]
    centre = jnp.broadcast_to(np.array([(height - 1) / 2, (width - 1) / 2], np.float32), linear.shape[:-1])
    target = centre if shift is None else centre + shift
    offset = centre - jnp.sum(linear * target[..., None, :], -1)
    return jnp.concatenate([linear, offset[..., None]], -1)


def resampled(check: Checks, x: X, parts: Parts, matrix: Array, fill: Numbers) -> X:
    fill = colour(check, fill, parts, 3)
    matrix = jnp.broadcast_to(matrix, (*batch_shape(parts), 2, 3))
    # Zero times infinity is NaN too.
    numbers = (jnp.sum(0.0 * matrix, (-2, -1)), jnp.max(fill))
    return moved(x, parts, lambda parts, matrix: resample_parts(parts, matrix, fill), matrix, numbers=numbers)


def resample_parts(parts: Parts, matrix: Array, fill: Array) -> Parts:
    """`affine` of one example."""
    image = parts["image"]
    height, width = image.shape[:2]
    row, column = (lax.broadcasted_iota(jnp.float32, (height, width), axis) for axis in (0, 1))
    rows, columns = (line[0] * row + line[1] * column + line[2] for line in matrix)
    colours = _bilinear(as_floats(image), rows, columns, fill)
    found = {"image": as_stored(colours, image.dtype)}
    if "mask" in parts:
        found["mask"] = _nearest(parts["mask"], rows, columns)
    if "boxes" in parts:
        found["boxes"] = _enclosing(parts["boxes"], matrix, (height, width))
    return found


def _bilinear(image: Array, rows: Array, columns: Array, fill: Array) -> Array:
    """The mean of the four pixels around each point. Weights are masked, not pixels: that keeps it one vector loop."""
    top, left = jnp.floor(rows), jnp.floor(columns)
    total, covered = jnp.zeros((), image.dtype), jnp.zeros((), image.dtype)
    for down in (0.0, 1.0):
        for right in (0.0, 1.0):
            row, column = top + down, left + right
            colour, is_inside = _pixels(image, row, column)
            weight = (1.0 - jnp.abs(rows - row)) * (1.0 - jnp.abs(columns - column))
            weight = (weight * is_inside.astype(weight.dtype))[..., None].astype(image.dtype)
            total, covered = total + weight * colour, covered + weight
    return total + fill.astype(image.dtype) * (1.0 - covered)


def _nearest(mask: Array, rows: Array, columns: Array) -> Array:
    label, is_inside = _pixels(mask.reshape(*rows.shape, -1), jnp.floor(rows + 0.5), jnp.floor(columns + 0.5))
    return jnp.where(is_inside[..., None], label, jnp.zeros((), mask.dtype)).reshape(mask.shape)


def _pixels(image: Array, rows: Array, columns: Array) -> tuple[Array, Array]:
    """The pixels at whole rows and columns, and whether they are in the image."""
    height, width = image.shape[:2]
    is_inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    row, column = (jnp.clip(at.astype(jnp.int32), 0, size - 1) for at, size in ((rows, height), (columns, width)))
    flat = image.reshape(height * width, -1)
    return flat.at[row * width + column].get(mode="promise_in_bounds"), is_inside


def _enclosing(boxes: Array, matrix: Array, size: tuple[int, int]) -> Array:
    """The smallest boxes around where the corners of `boxes` go; edges lie half a pixel from pixel centres."""
    (a, b, c), (d, e, f) = matrix.astype(boxes.dtype)
    top, left, bottom, right = jnp.unstack(boxes, axis=-1)
    row = jnp.stack([top, top, bottom, bottom], -1) - 0.5 - c
    column = jnp.stack([left, right, left, right], -1) - 0.5 - f
    determinant = a * e - b * d
    rows, columns = (e * row - b * column) / determinant + 0.5, (a * column - d * row) / determinant + 0.5
    edges = jnp.stack([rows.min(-1), columns.min(-1), rows.max(-1), columns.max(-1)], -1)
    return clipped_boxes(edges, size)
