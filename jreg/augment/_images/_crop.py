"""Crops of whole pixels."""

from __future__ import annotations

from typing import Literal, get_args

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int, Real

from ..._core.checks import Checks
from ..._core.types import Key
from ...random import split
from .._draws import integers
from .._places import whole_corners
from ._parts import Parts, X, batch_shape, moved, pair_of_sides, parts_of

PaddingMode = Literal["constant", "edge", "reflect", "symmetric", "wrap"]


def crop(x: X, corner: Real[Array, "*batch 2"], *, size: int | tuple[int, int]) -> X:
    """Cut `size` pixels out of images, from a corner on.

    Args:
      x: images, or a mapping with "image", "mask" and "boxes".
      corner: (top, left); one for all images, (2,), or one for each. It moves inward where the crop would leave the
        image. Fractions round up.
      size: (height, width) of the result, or one number for both.

    Raises:
      ValueError: a size larger than the image, or a concrete corner that is NaN; a traced one spoils its image, as
        `jreg.augment` says.

    >>> import jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.crop(jnp.ones((8, 8, 3)), jnp.array([2, 1]), size=(4, 6)).shape
    (4, 6, 3)
    """
    check = Checks("crop")
    parts = parts_of(check, x)
    height, width = parts["image"].shape[-3:-1]
    size = _checked_size(check, size, (height, width))
    limits = height - size[0], width - size[1]
    corner, spoiling = whole_corners(check, "corner", corner, batch_shape(parts), limits)
    corner = jnp.broadcast_to(corner, (*batch_shape(parts), 2))
    return moved(x, parts, lambda parts, corner: _cut_out(parts, corner, size), corner, numbers=spoiling)


def random_crop(
    key: Key | None,
    x: X,
    *,
    size: int | tuple[int, int],
    padding: int = 0,
    padding_mode: PaddingMode = "constant",
) -> X:
    """Pad each image and cut `size` pixels out of it, anywhere; the key None cuts out the centre.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".
      size: (height, width) of the result, or one number for both.
      padding: pixels added on each side first.
      padding_mode: what these pixels hold, as in `jnp.pad`; "constant" is zeros.

    Raises:
      ValueError: a size larger than the padded image.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment
    >>> images = jnp.ones((4, 32, 32, 3))
    >>> jax.jit(partial(augment.random_crop, size=(32, 32), padding=4))(jax.random.key(0), images).shape
    (4, 32, 32, 3)
    """
    check = Checks("random_crop")
    padding = check.integer("padding", padding, low=0, bits=30)
    check.choice("padding_mode", padding_mode, get_args(PaddingMode))
    parts = parts_of(check, x)
    height, width = (side + 2 * padding for side in parts["image"].shape[-3:-1])
    size = _checked_size(check, size, (height, width))
    room = height - size[0], width - size[1]
    if key is None:
        corner = jnp.broadcast_to(jnp.array([room[0] // 2, room[1] // 2], jnp.int32), (*batch_shape(parts), 2))
    else:
        keys = split(check.key(key))
        corner = jnp.stack([integers(keys[i], batch_shape(parts), room[i] + 1) for i in range(2)], -1)
    return moved(x, parts, lambda parts, corner: _cut_out(_padded(parts, padding, padding_mode), corner, size), corner)


def _padded(parts: Parts, padding: int, mode: PaddingMode) -> Parts:
    if not padding:
        return parts
    padded = {}
    for name, part in parts.items():
        sides = [(padding, padding)] * 2 + [(0, 0)] * (part.ndim - 2)
        padded[name] = part + padding if name == "boxes" else jnp.pad(part, sides, mode=mode)
    return padded


def _cut_out(parts: Parts, corner: Int[Array, "2"], size: tuple[int, int]) -> Parts:
    """The parts of one example from a corner on, which leaves room for the size."""

    def cut(name: str, part: Array) -> Array:
        if name == "boxes":
            return clipped_boxes(part - jnp.tile(corner, 2)[None].astype(part.dtype), size)
        start = (*corner, *[jnp.int32(0)] * (part.ndim - 2))
        return lax.dynamic_slice(part, start, (*size, *part.shape[2:]))

    return {name: cut(name, part) for name, part in parts.items()}


def clipped_boxes(boxes: Array, size: tuple[int, int]) -> Array:
    """Boxes cut at the border of an image."""
    return jnp.clip(boxes, 0.0, jnp.array([*size, *size], boxes.dtype)[None])


def _checked_size(check: Checks, size: int | tuple[int, int], limits: tuple[int, int]) -> tuple[int, int]:
    height, width = pair_of_sides(check, size)
    if height > limits[0] or width > limits[1]:
        raise ValueError(f"{check}: size must be at most {limits}, that of the image; got {size}")
    return height, width
