"""Crops of whole pixels."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Integer

from ..._core import checks
from ..._core.types import Key
from ...random import split
from .._draws import integers
from ._parts import Images, Parts, X, batch_shape, moved, parts_of

_MODES = ("constant", "edge", "reflect", "symmetric", "wrap")


def crop(x: X, corner: Integer[Array, "*batch 2"], *, size: tuple[int, int]) -> X:
    """Cut `size` = (height, width) pixels out of images, from the corner (top, left) on.

    Args:
      x: images, or a mapping with "image", "mask" and "boxes".
      corner: one for all images, (2,), or one for each; moved inside where the crop would leave the image.

    Raises:
      ValueError: a size larger than the image.

    >>> import jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.crop(jnp.ones((8, 8, 3)), jnp.array([2, 1]), size=(4, 6)).shape
    (4, 6, 3)
    """
    size = _checked_size("crop", size, _height_and_width("crop", x))
    corner = jnp.broadcast_to(jnp.asarray(corner), (*batch_shape(x), 2))
    return moved("crop", x, lambda parts, corner: _cut_out(parts, corner, size), corner)


def random_crop(key: Key | None, x: X, *, size: tuple[int, int], padding: int = 0, mode: str = "constant") -> X:
    """Cut `size` pixels out of each image, anywhere, after padding it; the key None cuts the centre out.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".
      size: (height, width) of the result.
      padding: pixels added on each side first.
      mode: what they hold, in `jnp.pad`'s words: "constant" (zeros), "edge", "reflect", "symmetric" or "wrap".

    Raises:
      ValueError: a size larger than the padded image.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment
    >>> images = jnp.ones((4, 32, 32, 3))
    >>> jax.jit(partial(augment.random_crop, size=(32, 32), padding=4))(jax.random.key(0), images).shape
    (4, 32, 32, 3)
    """
    padding = checks.integer("random_crop", "padding", padding, low=0)
    checks.choice("random_crop", "mode", mode, _MODES)
    height, width = (side + 2 * padding for side in _height_and_width("random_crop", x))
    size = _checked_size("random_crop", size, (height, width))
    steps = jnp.array([height - size[0] + 1, width - size[1] + 1])
    if key is None:
        corner = jnp.broadcast_to((steps - 1) // 2, (*batch_shape(x), 2))
    else:
        keys = split(checks.key("random_crop", key))
        corner = jnp.stack([integers(keys[i], batch_shape(x), steps[i]) for i in range(2)], -1)
    return moved("random_crop", x, lambda parts, corner: _cut_out(_padded(parts, padding, mode), corner, size), corner)


def _padded(parts: Parts, padding: int, mode: str) -> Parts:
    if not padding:
        return parts
    padded = {}
    for name, part in parts.items():
        sides = [(padding, padding)] * 2 + [(0, 0)] * (part.ndim - 2)
        padded[name] = part + padding if name == "boxes" else jnp.pad(part, sides, mode=mode)
    return padded


def _cut_out(parts: Parts, corner: Array, size: tuple[int, int]) -> Parts:
    cut = {
        name: lax.dynamic_slice(part, (corner[0], corner[1], *[0] * (part.ndim - 2)), (*size, *part.shape[2:]))
        for name, part in parts.items()
        if name != "boxes"
    }
    if "boxes" not in parts:
        return cut
    inside = jnp.clip(corner, 0, jnp.array(parts["image"].shape[:2]) - jnp.array(size))
    return {**cut, "boxes": clipped_boxes(parts["boxes"] - jnp.tile(inside, 2)[None].astype(jnp.float32), size)}


def clipped_boxes(boxes: Array, size: tuple[int, int]) -> Array:
    """Boxes cut at the border of an image."""
    return jnp.clip(boxes, 0.0, jnp.array([*size, *size], boxes.dtype)[None])


def _height_and_width(function: str, x: Images) -> tuple[int, int]:
    height, width = parts_of(function, x)["image"].shape[-3:-1]
    return height, width


def _checked_size(function: str, size: tuple[int, int], limits: tuple[int, int]) -> tuple[int, int]:
    height, width = (checks.integer(function, "size", side) for side in size)
    if height > limits[0] or width > limits[1]:
        raise ValueError(f"{function}: size must be at most {limits}, that of the image; got {size}")
    return height, width
