"""Affine maps, drawn for each image."""

import jax.numpy as jnp

from ..._core import checks
from ..._core.types import Key, Number, Numbers
from ...random import split
from .._draws import Range, bounds, uniform
from ._affine import about_centre, resampled, rotation, shearing
from ._parts import X, batch_shape, number_per_image, parts_of


def random_rotate(key: Key | None, x: X, degrees: Numbers, *, fill: Number = 0.0) -> X:
    """Turn each image about its centre by an angle uniform on (-degrees, degrees); the key None turns none.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image", "mask" and "boxes".
      degrees: at least 0; one for all, or one per image.
      fill: the colour beyond the border, in [0, 1].

    Raises:
      ValueError: concrete `degrees` below 0. Traced ones spoil the images, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_rotate)(jax.random.key(0), jnp.ones((2, 8, 8, 3)), 15.0).shape
    (2, 8, 8, 3)
    """
    return _drawn("random_rotate", key, x, fill, degrees=degrees)


def random_shear(key: Key | None, x: X, degrees: Numbers, *, fill: Number = 0.0) -> X:
    """Shear each image along both axes, each by an angle uniform on (-degrees, degrees); the key None shears none.

    Args:
      degrees: in [0, 90); one for all, or one per image.
      fill: the colour beyond the border, in [0, 1].

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_shear)(jax.random.key(0), jnp.ones((2, 8, 8, 3)), 15.0).shape
    (2, 8, 8, 3)
    """
    return _drawn("random_shear", key, x, fill, shear=degrees)


def random_translate(key: Key | None, x: X, share: Numbers, *, fill: Number = 0.0) -> X:
    """Move each image by up to a share of its height and width, uniformly; the key None moves none.

    Args:
      share: in [0, 1]; one for all, or one per image.
      fill: the colour beyond the border, in [0, 1].

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_translate)(jax.random.key(0), jnp.ones((2, 8, 8, 3)), 0.1).shape
    (2, 8, 8, 3)
    """
    return _drawn("random_translate", key, x, fill, translation=share)


def random_affine(
    key: Key | None,
    x: X,
    *,
    degrees: Numbers = 0.0,
    shear: Numbers = 0.0,
    translation: Numbers = 0.0,
    scale: Range = (1.0, 1.0),
    fill: Number = 0.0,
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
      fill: the colour beyond the border, in [0, 1].

    Raises:
      ValueError: a concrete number outside. A traced one spoils the images, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment
    >>> images = jnp.ones((2, 8, 8, 3))
    >>> jax.jit(partial(augment.random_affine, degrees=10.0, scale=(0.8, 1.2)))(jax.random.key(0), images).shape
    (2, 8, 8, 3)
    """
    return _drawn("random_affine", key, x, fill, degrees, shear, translation, scale)


def _drawn(
    function: str,
    key: Key | None,
    x: X,
    fill: Number,
    degrees: Numbers = 0.0,
    shear: Numbers = 0.0,
    translation: Numbers = 0.0,
    scale: Range = (1.0, 1.0),
) -> X:
    height, width = parts_of(function, x)["image"].shape[-3:-1]
    # The names under which the functions of one angle know it.
    shear_name = "degrees" if function == "random_shear" else "shear"
    share_name = "share" if function == "random_translate" else "translation"
    degrees = number_per_image(function, "degrees", degrees, x, 0.0, ends="[)")
    shear = number_per_image(function, shear_name, shear, x, 0.0, 90.0, ends="[)")[..., None]
    translation = number_per_image(function, share_name, translation, x, 0.0, 1.0)[..., None]
    smallest, largest = bounds(function, "scale", scale, 0.0, ends="()")
    if key is None:
        return x
    keys = split(checks.key(function, key), 4)
    shape = batch_shape(x)
    angle = uniform(keys[0], shape, -degrees, degrees)
    leans = jnp.tan(jnp.deg2rad(uniform(keys[1], (*shape, 2), -shear, shear)))
    share = uniform(keys[2], (*shape, 2), -translation, translation)
    shift = jnp.stack([share[..., 0] * height, share[..., 1] * width], -1)
    size = jnp.exp(uniform(keys[3], shape, jnp.log(smallest), jnp.log(largest)))
    # A sum of products, since accelerators round matrix products to fewer digits.
    sheared, turned = shearing(leans[..., 0], leans[..., 1]), rotation(angle) / size[..., None, None]
    backwards = jnp.sum(sheared[..., :, :, None] * turned[..., None, :, :], -2)
    return resampled(function, x, about_centre(backwards, x, shift), fill)
