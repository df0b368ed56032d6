"""Affine maps, drawn for each image."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..._core.checks import Checks
from ..._core.types import Key, Numbers
from ...random import split
from .._draws import Range, bounds, uniform
from ._affine import about_centre, resampled, rotation, shearing
from ._parts import Parts, X, batch_shape, number_per_image, parts_of

_NONE: Any = np.float32(0.0)
_SAME: Any = (np.float32(1.0), np.float32(1.0))


def random_rotate(key: Key | None, x: X, degrees: Numbers, *, fill: Numbers = 0.0) -> X:
    """Turn each image about its centre by an angle uniform on (-degrees, degrees); the key None turns none.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".
      degrees: at least 0; one for all, or one per image.
      fill: the colour beyond the border, in [0, 1]; one number, or one per channel.

    Raises:
      ValueError: concrete `degrees` below 0. Traced ones spoil the images, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_rotate)(jax.random.key(0), jnp.ones((2, 8, 8, 3)), 15.0).shape
    (2, 8, 8, 3)
    """
    check = Checks("random_rotate")
    parts = parts_of(check, x)
    degrees = number_per_image(check, "degrees", degrees, parts, 0.0, ends="[)")
    return _mapped(check, key, x, parts, fill, degrees=degrees)


def random_shear(key: Key | None, x: X, degrees: Numbers, *, fill: Numbers = 0.0) -> X:
    """Shear each image along both axes, each by an angle uniform on (-degrees, degrees); the key None shears none.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".
      degrees: in [0, 90); one for all, or one per image.
      fill: the colour beyond the border, in [0, 1]; one number, or one per channel.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_shear)(jax.random.key(0), jnp.ones((2, 8, 8, 3)), 15.0).shape
    (2, 8, 8, 3)
    """
    check = Checks("random_shear")
    parts = parts_of(check, x)
    degrees = number_per_image(check, "degrees", degrees, parts, 0.0, 90.0, ends="[)")
    return _mapped(check, key, x, parts, fill, shear=degrees)


def random_translate(key: Key | None, x: X, max_share: Numbers, *, fill: Numbers = 0.0) -> X:
    """Move each image by up to a share of its height and width, uniformly; the key None moves none.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".
      max_share: the largest move as a share of height and width, in [0, 1]; one for all, or one per image.
      fill: the colour beyond the border, in [0, 1]; one number, or one per channel.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_translate)(jax.random.key(0), jnp.ones((2, 8, 8, 3)), 0.1).shape
    (2, 8, 8, 3)
    """
    check = Checks("random_translate")
    parts = parts_of(check, x)
    share = number_per_image(check, "max_share", max_share, parts, 0.0, 1.0)
    return _mapped(check, key, x, parts, fill, translation=share)


def random_affine(
    key: Key | None,
    x: X,
    *,
    degrees: Numbers = 0.0,
    shear: Numbers = 0.0,
    translation: Numbers = 0.0,
    scale: Range = (1.0, 1.0),
    fill: Numbers = 0.0,
) -> X:
    """Rotate, shear, scale and move each image in one resampling; the key None does nothing.

    An image is sheared, then turned, scaled and moved. One resampling blurs less than four.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".
      degrees, shear: the largest angles of rotation and of the shears along both axes, at least 0; shear below 90.
      translation: the largest shift, as a share of height and width, in [0, 1]. These three are one for all, or one per
        image.
      scale: the range of the factor of size, above 0; its logarithm is uniform.
      fill: the colour beyond the border, in [0, 1]; one number, or one per channel.

    Raises:
      ValueError: a concrete number outside. A traced one spoils the images, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment
    >>> images = jnp.ones((2, 8, 8, 3))
    >>> jax.jit(partial(augment.random_affine, degrees=10.0, scale=(0.8, 1.2)))(jax.random.key(0), images).shape
    (2, 8, 8, 3)
    """
    check = Checks("random_affine")
    parts = parts_of(check, x)
    degrees = number_per_image(check, "degrees", degrees, parts, 0.0, ends="[)")
    shear = number_per_image(check, "shear", shear, parts, 0.0, 90.0, ends="[)")
    translation = number_per_image(check, "translation", translation, parts, 0.0, 1.0)
    scale = bounds(check, "scale", scale, 0.0, ends="()")
    return _mapped(check, key, x, parts, fill, degrees, shear, translation, scale)


def _mapped(
    check: Checks,
    key: Key | None,
    x: X,
    parts: Parts,
    fill: Numbers,
    degrees: Array = _NONE,
    shear: Array = _NONE,
    translation: Array = _NONE,
    scale: tuple[Array, Array] = _SAME,
) -> X:
    """Draw a map for each image, within numbers that have been checked."""
    if key is None:
        return x
    keys = split(check.key(key), 4)
    shape, (height, width) = batch_shape(parts), parts["image"].shape[-3:-1]
    degrees, shear, translation = (jnp.broadcast_to(number, shape) for number in (degrees, shear, translation))
    angle = uniform(keys[0], shape, -degrees, degrees)
    leans = jnp.tan(jnp.deg2rad(uniform(keys[1], (*shape, 2), -shear[..., None], shear[..., None])))
    share = uniform(keys[2], (*shape, 2), -translation[..., None], translation[..., None])
    shift = jnp.stack([share[..., 0] * height, share[..., 1] * width], -1)
    size = jnp.exp(uniform(keys[3], shape, *map(jnp.log, scale)))
    # A sum of products, since accelerators round matrix products to fewer digits.
    sheared, turned = shearing(leans[..., 0], leans[..., 1]), rotation(angle) / size[..., None, None]
    backwards = jnp.sum(sheared[..., :, :, None] * turned[..., None, :, :], -2)
    return resampled(check, x, parts, about_centre(backwards, parts["image"], shift), fill)
