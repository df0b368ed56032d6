"""Curves of tone against Pillow's ImageOps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageOps

from jreg import augment

# Brighter than dark on the whole, and without the ends of the range, so that curves have something to do.
BYTES = np.asarray(20 + 200 * jax.random.uniform(jax.random.key(1), (60, 70, 3)) ** 2, np.uint8)
PILLOW = Image.fromarray(BYTES)


def difference(found, expected) -> int:
    return abs(np.asarray(found, int) - np.asarray(expected, int)).max()


def test_curves_are_pillows():
    found = jax.jit(lambda x: (augment.invert(x), augment.solarize(x, 100 / 255), augment.autocontrast(x)))(BYTES)
    assert difference(found[0], ImageOps.invert(PILLOW)) == 0
    assert difference(found[1], ImageOps.solarize(PILLOW, 100)) == 0
    # Pillow cuts where it should round.
    assert difference(found[2], ImageOps.autocontrast(PILLOW)) <= 1


def test_posterize_is_pillows_for_every_number_of_bits():
    found = jax.jit(augment.posterize)(jnp.tile(BYTES, (8, 1, 1, 1)), jnp.arange(1.0, 9.0))
    for bits, image in enumerate(found, start=1):
        assert difference(image, ImageOps.posterize(PILLOW, bits)) == 0


def test_equalize_is_pillows():
    equalize = jax.jit(augment.equalize)
    assert difference(equalize(BYTES), ImageOps.equalize(PILLOW)) == 0
    flat = np.full_like(BYTES, 77)
    assert difference(equalize(flat), ImageOps.equalize(Image.fromarray(flat))) == 0
    floats = equalize(jnp.asarray(BYTES / np.float32(255)))
    np.testing.assert_allclose(floats, np.asarray(ImageOps.equalize(PILLOW)) / 255, atol=1e-6)


def test_a_channel_of_one_value_stays():
    flat = jnp.full((4, 4, 1), 0.3)
    np.testing.assert_array_equal(augment.autocontrast(flat), flat)


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match=r"^posterize: bits must be in \[0, 8\]; got 9"):
        augment.posterize(jnp.ones((4, 4, 3)), 9)
    with pytest.raises(ValueError, match=r"^solarize: threshold must be at least 0; got -1"):
        augment.solarize(jnp.ones((4, 4, 3)), -1)
