"""Colours, drawn for each image."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from ..._core.checks import Checks
from ..._core.spoil import spoiled
from ..._core.types import Key, Numbers
from ...random import keep_mask
from .._draws import uniform
from ._colour import away_from, brightened, contrasted, grey, saturated, tinted
from ._parts import X, batch_shape, number_per_image, parts_of, recoloured


def random_brightness(key: Key | None, x: X, strength: Numbers) -> X:
    """Multiply the colours of each image by a factor uniform on (1 - strength, 1 + strength), at least 0.

    Args:
      key: one key; None returns x.
      x: images, or a mapping with "image".
      strength: at least 0; one for all, or one per image.

    Raises:
      ValueError: a concrete strength below 0. A traced one spoils the images, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> y = jax.jit(augment.random_brightness)(jax.random.key(0), jnp.full((2, 2, 2, 3), 0.5), 0.4)
    >>> bool((abs(y - 0.5) < 0.2).all())
    True
    """
    return _drawn(Checks("random_brightness"), key, x, strength, brightened)


def random_contrast(key: Key | None, x: X, strength: Numbers) -> X:
    """Scale the contrast of each image by a factor uniform on (1 - strength, 1 + strength), at least 0.

    Args:
      key: one key; None returns x.
      x: images, or a mapping with "image".
      strength: at least 0; one for all, or one per image.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_contrast)(jax.random.key(0), jnp.ones((2, 2, 2, 3)), 0.4).shape
    (2, 2, 2, 3)
    """
    return _drawn(Checks("random_contrast"), key, x, strength, contrasted, (1, 3))


def random_saturation(key: Key | None, x: X, strength: Numbers) -> X:
    """Scale the saturation of each image by a factor uniform on (1 - strength, 1 + strength), at least 0.

    Args:
      key: one key; None returns x.
      x: images, or a mapping with "image".
      strength: at least 0; one for all, or one per image.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_saturation)(jax.random.key(0), jnp.ones((2, 2, 2, 3)), 0.4).shape
    (2, 2, 2, 3)
    """
    return _drawn(Checks("random_saturation"), key, x, strength, saturated, (1, 3))


def random_hue(key: Key | None, x: X, strength: Numbers) -> X:
    """Turn the hues of each image by a share of the colour circle uniform on (-strength, strength).

    Args:
      key: one key; None returns x.
      x: images, or a mapping with "image".
      strength: in [0, 0.5]; one for all, or one per image.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_hue)(jax.random.key(0), jnp.ones((2, 2, 2, 3)), 0.1).shape
    (2, 2, 2, 3)
    """
    check = Checks("random_hue")
    parts = parts_of(check, x, (3,))
    strength = number_per_image(check, "strength", strength, parts, 0.0, 0.5)
    if key is None:
        return x
    shift = uniform(check.key(key), batch_shape(parts), -strength, strength)
    return recoloured(x, parts, tinted, shift)


def random_grayscale(key: Key | None, x: X, prob: Numbers) -> X:
    """Turn each image grey with probability `prob`; the key None turns none.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image".
      prob: in [0, 1]; one for all, or one per image.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_grayscale)(jax.random.key(0), jnp.ones((2, 8, 8, 3)), 0.2).shape
    (2, 8, 8, 3)
    """
    check = Checks("random_grayscale")
    parts = parts_of(check, x, (1, 3))
    prob = number_per_image(check, "prob", prob, parts, 0.0, 1.0)
    if key is None:
        return x
    kept = keep_mask(check.key(key), batch_shape(parts), prob)
    factor = spoiled(kept.astype(prob.dtype), prob)
    return recoloured(x, parts, lambda image, factor: away_from(grey(image), image, factor), factor)


def factors(key: Key, shape: tuple[int, ...], strength: Array) -> Array:
    """Draw factors uniform on (1 - strength, 1 + strength), but not below 0."""
    return uniform(key, shape, jnp.maximum(1.0 - strength, 0.0), 1.0 + strength)


def _drawn(
    check: Checks,
    key: Key | None,
    x: X,
    strength: Numbers,
    change: Callable[..., Array],
    channels: tuple[int, ...] = (),
) -> X:
    parts = parts_of(check, x, channels)
    strength = number_per_image(check, "strength", strength, parts, 0.0)
    if key is None:
        return x
    return recoloured(x, parts, change, factors(check.key(key), batch_shape(parts), strength))
