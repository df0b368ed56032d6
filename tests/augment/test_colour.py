"""Colours against Pillow and the standard library's colorsys."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from jreg import augment

BYTES = np.asarray(jax.random.randint(jax.random.key(1), (9, 12, 3), 0, 256), np.uint8)
FLOATS = jnp.asarray(BYTES / np.float32(255))
PILLOW = {
    "adjust_brightness": ImageEnhance.Brightness,
    "adjust_contrast": ImageEnhance.Contrast,
    "adjust_saturation": ImageEnhance.Color,
}


@pytest.mark.parametrize("name", PILLOW)
def test_enhancements_are_pillows(name):
    """Pillow rounds the grey to whole bytes and cuts the result, so it is up to two steps away."""
    change = jax.jit(getattr(augment, name))
    for factor in (0.0, 0.6, 1.0, 1.7):
        expected = np.asarray(PILLOW[name](Image.fromarray(BYTES)).enhance(factor), int)
        assert abs(np.asarray(change(BYTES, factor), int) - expected).max() <= 2
        assert abs(np.asarray(change(FLOATS, factor)) * 255 - expected).max() <= 2.0


def test_hue_is_that_of_colorsys():
    shifts = jnp.array([-0.5, -0.13, 0.1, 0.4])
    found = jax.jit(augment.adjust_hue)(jnp.tile(FLOATS, (4, 1, 1, 1)), shifts)
    for shift, image in zip(shifts.tolist(), np.asarray(found), strict=True):
        for pixel, turned in zip(np.asarray(FLOATS).reshape(-1, 3), image.reshape(-1, 3), strict=True):
            hue, saturation, value = colorsys.rgb_to_hsv(*pixel.tolist())
            np.testing.assert_allclose(turned, colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value), atol=2e-5)


def test_grey_pixels_have_no_hue_to_turn():
    grey = jnp.full((2, 2, 3), 0.3)
    np.testing.assert_allclose(augment.adjust_hue(grey, 0.3), grey, atol=1e-6)


def test_grayscale_is_pillows_in_all_channels():
    expected = np.asarray(Image.fromarray(BYTES).convert("L"), int)
    found = np.asarray(augment.grayscale(jnp.asarray(BYTES)), int)
    assert abs(found - expected[..., None]).max() <= 1


def test_a_single_channel_is_grey_already():
    image = FLOATS[..., :1]
    np.testing.assert_allclose(augment.adjust_saturation(image, 0.3), image, atol=1e-6)
    np.testing.assert_allclose(augment.adjust_contrast(image, 0.0), jnp.full_like(image, image.mean()), atol=1e-6)


def test_colours_are_clipped():
    """dm_pix returns values of 1.8 where it makes an image brighter."""
    assert augment.adjust_brightness(FLOATS, 1.8).max() == 1.0
    assert augment.adjust_contrast(FLOATS, 5.0).min() == 0.0


def test_bad_numbers_and_channels_are_refused():
    with pytest.raises(ValueError, match=r"^adjust_brightness: factor must be at least 0; got -1"):
        augment.adjust_brightness(FLOATS, -1)
    with pytest.raises(ValueError, match=r"^adjust_hue: shift must be in \[-0.5, 0.5\]; got 0.6"):
        augment.adjust_hue(FLOATS, 0.6)
    with pytest.raises(ValueError, match=r"^adjust_saturation: images must have 1 or 3 channels, .*shape \(9, 12, 2\)"):
        augment.adjust_saturation(FLOATS[..., :2], 0.6)
