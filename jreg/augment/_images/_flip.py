"""Flips of images and of what belongs to them."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

from ..._core.checks import Checks
from ..._core.types import Key, Numbers
from ...random import keep_mask
from ._parts import Direction, Parts, X, batch_shape, moved, number_per_image, parts_of

_AXES = {"horizontal": 1, "vertical": 0}


def flip(x: X, *, direction: Direction = "horizontal") -> X:
    """Mirror images left to right, or top to bottom.

    Args:
      x: images, or a mapping with "image", "mask" and "boxes".
      direction: "horizontal" swaps left and right, "vertical" top and bottom.

    >>> import jax.numpy as jnp
    >>> from jreg import augment
    >>> augment.flip(jnp.array([[[0.1], [0.9]]])).ravel().tolist() == [jnp.float32(0.9), jnp.float32(0.1)]
    True
    """
    check = Checks("flip")
    axis = _AXES[check.choice("direction", direction, _AXES)]
    return moved(x, parts_of(check, x), lambda parts: {name: _mirrored(name, parts, axis) for name in parts})


def random_flip(key: Key | None, x: X, prob: Numbers, *, direction: Direction = "horizontal") -> X:
    """Mirror each image with probability `prob`; the key None mirrors none.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".
      prob: in [0, 1]; one for all, or one per image.
      direction: "horizontal" swaps left and right, "vertical" top and bottom.

    Raises:
      ValueError: a concrete `prob` outside [0, 1]. A traced one spoils the images, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> images = jnp.zeros((64, 2, 2, 1)).at[:, :, 0].set(1.0)
    >>> flipped = jax.jit(augment.random_flip)(jax.random.key(0), images, 0.5)[:, 0, 1, 0]
    >>> sorted(set(flipped.tolist()))
    [0.0, 1.0]
    """
    check = Checks("random_flip")
    axis = _AXES[check.choice("direction", direction, _AXES)]
    parts = parts_of(check, x)
    prob = number_per_image(check, "prob", prob, parts, 0.0, 1.0)
    if key is None:
        return x
    is_flipped = ~keep_mask(check.key(key), batch_shape(parts), prob)

    def move(parts: Parts, is_flipped: Array) -> Parts:
        return {name: jnp.where(is_flipped, _mirrored(name, parts, axis), part) for name, part in parts.items()}

    return moved(x, parts, move, is_flipped, numbers=(prob,))


def _mirrored(name: str, parts: Parts, axis: int) -> Array:
    """A part of one example, mirrored; the far edge of a box becomes the near one."""
    if name != "boxes":
        return jnp.flip(parts[name], axis)
    top, left, bottom, right = jnp.unstack(parts["boxes"], axis=-1)
    size = parts["image"].shape[axis]
    edges = (top, size - right, bottom, size - left) if axis else (size - bottom, left, size - top, right)
    return jnp.stack(edges, -1)
