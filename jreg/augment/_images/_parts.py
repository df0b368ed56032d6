"""What an image transform takes: images alone, or a mapping whose parts move together.

An image is float in [0, 1] or uint8, with axes (*batch, height, width, channels); every example of a batch draws for
itself. In a mapping, a transform of places moves these parts together and leaves the others as they are:

    "image"   (*batch, height, width, channels); resampled bilinearly
    "mask"    (*batch, height, width, ...), of any dtype; resampled to the nearest pixel, and 0 where nothing was
    "boxes"   (*batch, n, 4), floats (top, left, bottom, right) in pixels, where pixel i spans [i, i + 1]; each becomes
              the smallest box around what it held, cut at the border: one that left the image has no area

A transform of colours changes "image" alone. Colours are computed in float32 (float64 for float64 images) and stored in
the image's own dtype; uint8 stands for multiples of 1 / 255, so numbers such as fills are in [0, 1] for it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from ..._core import dtypes
from ..._core.checks import Checks
from ..._core.placement import placed_along
from ..._core.spoil import marking, spoiled
from ..._core.types import Numbers
from .._examples import number_per_example

Images: TypeAlias = Shaped[Array, "..."] | Mapping[str, Any]
"""Images, or a mapping with the part "image" and, where they should move along, "mask" and "boxes"."""

Direction: TypeAlias = Literal["horizontal", "vertical"]

X = TypeVar("X", bound=Images)

Parts: TypeAlias = dict[str, Array]


def parts_of(check: Checks, x: Images, channels: tuple[int, ...] = ()) -> Parts:
    """The parts of x that transforms of places move, checked once for all that follows.

    `channels` are the numbers of channels that a transform of colours takes: grey, or red, green and blue.
    """
    if not isinstance(x, Mapping):
        return {"image": _image(check, x, channels)}
    if "image" not in x:
        raise ValueError(f'{check}: x must be images or a mapping with "image"; got the parts {sorted(x)}')
    parts = {name: jnp.asarray(x[name]) for name in ("image", "mask", "boxes") if name in x}
    shape = _image(check, parts["image"], channels).shape
    if "mask" in parts and parts["mask"].shape[: len(shape) - 1] != shape[:-1]:
        raise ValueError(f"{check}: mask must have shape {shape[:-1]}, as the image; got {parts['mask'].shape}")
    if "boxes" in parts:
        boxes = check.floating("boxes", parts["boxes"]).shape
        if boxes[:-2] != shape[:-3] or boxes[-1:] != (4,) or len(boxes) != len(shape) - 1:
            raise ValueError(f"{check}: boxes must have shape {(*shape[:-3], 'n', 4)}, as the image; got {boxes}")
    return parts


def with_parts(x: Images, parts: Parts) -> Any:
    """x with the parts in their places."""
    return {**x, **parts} if isinstance(x, Mapping) else parts["image"]


def pair_of_sides(check: Checks, size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width; one number gives both."""
    sides = (size, size) if isinstance(size, int | np.integer) and not isinstance(size, bool) else size
    if not isinstance(sides, tuple | list) or len(sides) != 2:
        raise TypeError(f"{check}: size must be an int or a pair (height, width); got {size!r}")
    height, width = (check.integer("size", side, bits=31) for side in sides)
    return height, width


def batch_shape(parts: Parts) -> tuple[int, ...]:
    return parts["image"].shape[:-3]


def moved(
    x: Images, parts: Parts, move: Callable[..., Parts], *operands: Array, numbers: tuple[Array, ...] = ()
) -> Any:
    """Apply `move(parts, *operands)` to every example of x; the operands have its leading axes.

    All parts of an example are spoiled where one of `numbers` is NaN.
    """
    lead = len(batch_shape(parts))
    operands = tuple(placed_along(operand, parts["image"], lead) for operand in operands)
    for _ in range(lead):
        move = jax.vmap(move)
    return with_parts(x, {name: spoiled(part, *numbers) for name, part in move(parts, *operands).items()})


def recoloured(x: Images, parts: Parts, change: Callable[..., Array], *numbers: Array) -> Any:
    """Apply `change(image, *numbers)` to the images of x as floats, clip to [0, 1], and store them in their own dtype.

    A number is one for all, or has one entry for each image.
    """
    image = parts["image"]
    floats = as_floats(image)
    changed = change(floats, *(number.astype(floats.dtype)[..., None, None, None] for number in numbers))
    return with_parts(x, {"image": as_stored(jnp.clip(changed, 0.0, 1.0), image.dtype)})


def number_per_image(
    check: Checks,
    argument: str,
    value: Numbers,
    parts: Parts,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    ends: str = "[]",
) -> Float[Array, "..."]:
    """Check a number that is one for all images, or has one entry for each; return one for each."""
    number = number_per_example(check, argument, value, batch_shape(parts), low, high, ends=ends)
    return jnp.broadcast_to(number, batch_shape(parts)).astype(jnp.float32)


def colour(check: Checks, fill: Numbers, parts: Parts, ndim: int | None = None) -> Float[Array, "..."]:
    """A colour in [0, 1], for all channels or for each, which broadcasts against the images, or `ndim` axes."""
    image = parts["image"]
    channels, ndim = image.shape[-1:], ndim or image.ndim
    number = check.number("fill", fill, 0.0, 1.0)
    if number.shape not in ((), channels):
        raise ValueError(f"{check}: fill must be a scalar or have shape {channels}; got {number.shape}")
    return number.reshape((1,) * (ndim - 1) + channels) if number.ndim else number


def as_floats(image: Array) -> Array:
    """The colours as floats to compute with."""
    if image.dtype == jnp.uint8:
        return image.astype(jnp.float32) / np.float32(255.0)
    return image.astype(dtypes.widened(image.dtype))


def as_stored(colours: Array, dtype: Any) -> Array:
    """Colours in the dtype of the image they came from; NaN is marked as spoiled."""
    if dtype != jnp.uint8:
        return colours.astype(dtype)
    return jnp.where(jnp.isnan(colours), marking(dtype), jnp.round(colours * 255.0).astype(dtype))


def _image(check: Checks, image: Any, channels: tuple[int, ...]) -> Array:
    if not isinstance(image, jax.Array | np.ndarray):
        raise TypeError(f"{check}: x must be an array of images, or a mapping of parts; got {type(image).__name__}")
    if image.dtype != jnp.uint8 and not jnp.issubdtype(image.dtype, jnp.floating):
        raise TypeError(f"{check}: images must be floats in [0, 1], or uint8; got {image.dtype}")
    if image.ndim < 3:
        raise ValueError(f"{check}: images must have shape (*batch, height, width, channels); got {image.shape}")
    if channels and image.shape[-1] not in channels:
        listed = " or ".join(map(str, channels))
        raise ValueError(f"{check}: images must have {listed} channels, the last axis; got shape {image.shape}")
    return jnp.asarray(image)
