"""Filters of neighbouring pixels, and noise: blur, sharpness, grain."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from ..._core.checks import Checks
from ..._core.types import Key, Numbers
from ...random import normal
from .._draws import Range, bounds, uniform
from ._colour import adjusted, away_from
from ._parts import Parts, X, batch_shape, number_per_image, parts_of, recoloured


def gaussian_blur(x: X, sigma: Numbers, *, size: int) -> X:
    """Blur with a Gaussian cut off at `size` pixels; the border mirrors, without repeating the last pixel.

    Args:
      x: images, or a mapping with "image".
      sigma: standard deviation in pixels, at least 0 (which keeps the image); one for all, or one per image.
      size: width of the kernel, odd, and at most twice the image's height and width less 1.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment
    >>> dot = jnp.zeros((5, 5, 1)).at[2, 2].set(1.0)
    >>> blurred = jax.jit(partial(augment.gaussian_blur, size=3))(dot, 1.0)
    >>> bool(jnp.allclose(blurred[2, 1:3, 0], jnp.array([0.124, 0.204]), atol=1e-3))
    True
    """
    check = Checks("gaussian_blur")
    parts = parts_of(check, x)
    radius = _radius(check, size, parts)
    sigma = number_per_image(check, "sigma", sigma, parts, 0.0)
    return recoloured(x, parts, lambda image, sigma: _blurred(image, sigma, radius), sigma)


def random_gaussian_blur(key: Key | None, x: X, *, size: int, sigma: Range = (0.1, 2.0)) -> X:
    """Blur each image by a Gaussian of standard deviation uniform on `sigma`; the key None blurs none.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image".
      size: width of the kernel in pixels, odd.
      sigma: in pixels, at least 0; traced or not.

    >>> import jax, jax.numpy as jnp
    >>> from functools import partial
    >>> from jreg import augment
    >>> jax.jit(partial(augment.random_gaussian_blur, size=5))(jax.random.key(0), jnp.ones((2, 8, 8, 3))).shape
    (2, 8, 8, 3)

    Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020.
    """
    check = Checks("random_gaussian_blur")
    parts = parts_of(check, x)
    radius = _radius(check, size, parts)
    low, high = bounds(check, "sigma", sigma, 0.0)
    if key is None:
        return x
    drawn = uniform(check.key(key), batch_shape(parts), low, high)
    return recoloured(x, parts, lambda image, sigma: _blurred(image, sigma, radius), drawn)


def adjust_sharpness(x: X, factor: Numbers) -> X:
    """Scale the distance of colours from a smoothed image by a factor, and clip to [0, 1].

    The smoothed image is Pillow's: weights 5 for a pixel and 1 for each of its eight neighbours, border as it was.

    Args:
      x: images, or a mapping with "image".
      factor: at least 0; one for all, or one per image. 1 keeps the image.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> dot = jnp.zeros((3, 3, 1)).at[1, 1].set(0.5)
    >>> jax.jit(augment.adjust_sharpness)(dot, 0.0)[1, 1].round(3)
    Array([0.192], dtype=float32)
    """
    return adjusted(Checks("adjust_sharpness"), x, factor, sharpened)


def random_gaussian_noise(key: Key | None, x: X, std: Numbers) -> X:
    """Add Gaussian noise to every colour, and clip to [0, 1]; the key None adds none.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image".
      std: standard deviation, at least 0; one for all, or one per image.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> y = jax.jit(augment.random_gaussian_noise)(jax.random.key(0), jnp.full((8, 8, 3), 0.5), 0.1)
    >>> bool(abs(y.std() - 0.1) < 0.03)
    True
    """
    check = Checks("random_gaussian_noise")
    parts = parts_of(check, x)
    std = number_per_image(check, "std", std, parts, 0.0)
    if key is None:
        return x
    grain = normal(check.key(key), parts["image"].shape, std[..., None, None, None])
    return recoloured(x, parts, lambda image: image + grain.astype(image.dtype))


def sharpened(image: Array, factor: Array) -> Array:
    return away_from(_smoothed(image), image, factor)


def _smoothed(image: Array) -> Array:
    height, width = image.shape[-3:-1]
    if min(height, width) < 3:
        return image
    rows = image[..., :-2, :, :] + image[..., 1:-1, :, :] + image[..., 2:, :, :]
    around = rows[..., :, :-2, :] + rows[..., :, 1:-1, :] + rows[..., :, 2:, :]
    inner = (around + 4.0 * image[..., 1:-1, 1:-1, :]) / 13.0
    return image.at[..., 1:-1, 1:-1, :].set(inner)


def _blurred(image: Array, sigma: Array, radius: int) -> Array:
    reach = np.arange(-radius, radius + 1)
    # At sigma 0 only the middle tap is left: exp(-inf) elsewhere.
    spread = jnp.where(sigma == 0.0, 1e-6, sigma)
    kernel = jnp.exp(-0.5 * (reach.astype(image.dtype).reshape((1,) * (sigma.ndim - 1) + (-1,)) / spread) ** 2)
    kernel = kernel / kernel.sum(-1, keepdims=True)
    for axis in (image.ndim - 3, image.ndim - 2):
        sides = [(radius, radius) if i == axis else (0, 0) for i in range(image.ndim)]
        # Kept apart: fused, each of the taps of the second pass would compute all those of the first anew.
        padded = lax.optimization_barrier(jnp.pad(image, sides, mode="reflect"))
        taps = (lax.slice_in_dim(padded, i, i + image.shape[axis], axis=axis) for i in range(2 * radius + 1))
        image = sum((kernel[..., i : i + 1] * tap for i, tap in enumerate(taps)), jnp.zeros((), image.dtype))
    return image


def _radius(check: Checks, size: int, parts: Parts) -> int:
    size = check.integer("size", size)
    height, width = parts["image"].shape[-3:-1]
    if size % 2 == 0 or size // 2 >= min(height, width):
        raise ValueError(f"{check}: size must be odd and below {2 * min(height, width)} for this image; got {size}")
    return size // 2
