"""Colour jitter: four changes of colour, in an order drawn for each image."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from ..._core.checks import Checks
from ..._core.types import Key, Numbers
from ...random import hash_bits, split
from .._draws import uniform
from ._colour import brightened, contrasted, saturated, tinted
from ._parts import X, batch_shape, number_per_image, parts_of, recoloured
from ._random_colour import factors
from ._switch import switch_each


def random_color_jitter(
    key: Key | None, x: X, brightness: Numbers, contrast: Numbers, saturation: Numbers, hue: Numbers
) -> X:
    """Change brightness, contrast, saturation and hue of each image in a random order; the key None changes nothing.

    Each strength means what it does in `random_brightness` and its like. Colours are clipped to [0, 1] after each.

    Args:
      key: one key, or None.
      x: images, or a mapping with "image".
      brightness, contrast, saturation: at least 0; one for all, or one per image.
      hue: in [0, 0.5]; one for all, or one per image.

    Raises:
      ValueError: a concrete strength outside. A traced one spoils the images, as `jreg.augment` says.

    >>> import jax, jax.numpy as jnp
    >>> from jreg import augment
    >>> jax.jit(augment.random_color_jitter)(jax.random.key(0), jnp.ones((2, 4, 4, 3)), 0.4, 0.4, 0.4, 0.1).shape
    (2, 4, 4, 3)

    Howard, Some Improvements on Deep Convolutional Neural Network Based Image Classification, 2013.
    """
    check = Checks("random_color_jitter")
    parts = parts_of(check, x, (3,))
    strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    checked = [number_per_image(check, name, value, parts, 0.0) for name, value in strengths.items()]
    turn = number_per_image(check, "hue", hue, parts, 0.0, 0.5)
    if key is None:
        return x
    order_key, hue_key, *keys = split(check.key(key), 5)
    shape = batch_shape(parts)
    drawn = [factors(key, shape, value) for key, value in zip(keys, checked, strict=True)]
    amounts = jnp.stack([*drawn, uniform(hue_key, shape, -turn, turn)], -1).reshape(-1, 4)
    order = jnp.argsort(hash_bits(order_key, (len(amounts), 4)), -1)
    return recoloured(x, parts, lambda image: _in_order(image, amounts, order))


def _in_order(image: Array, amounts: Array, order: Array) -> Array:
    branches = [_clipped(change) for change in (brightened, contrasted, saturated, tinted)]

    def step(images: Array, op: Array) -> tuple[Array, None]:
        amount = jnp.take_along_axis(amounts, op[:, None], 1)[:, 0]
        return switch_each(op, branches, images, amount.astype(images.dtype)), None

    return lax.scan(step, image.reshape(-1, *image.shape[-3:]), order.T)[0].reshape(image.shape)


def _clipped(change: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    return lambda image, amount: jnp.clip(change(image, amount), 0.0, 1.0)
