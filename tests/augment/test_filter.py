"""Blur against scipy, sharpness against Pillow, and the laws of blur and noise."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from PIL import Image, ImageEnhance
from scipy import ndimage

from jreg import augment

KEY = jax.random.key(7)
IMAGE = np.asarray(jax.random.uniform(jax.random.key(1), (12, 15, 3)))


def test_the_blur_is_scipys_for_each_image():
    sigmas = jnp.array([0.5, 1.0, 2.5])
    found = jax.jit(partial(augment.gaussian_blur, size=7))(jnp.tile(IMAGE, (3, 1, 1, 1)), sigmas)
    for sigma, image in zip(sigmas.tolist(), found, strict=True):
        expected = ndimage.gaussian_filter(IMAGE, sigma, mode="mirror", radius=3, axes=(0, 1))
        np.testing.assert_allclose(image, expected, atol=1e-5)


def test_sharpness_is_pillows():
    array = (IMAGE * 255).astype(np.uint8)
    change = jax.jit(augment.adjust_sharpness)
    for factor in (0.0, 0.5, 2.0):
        expected = np.asarray(ImageEnhance.Sharpness(Image.fromarray(array)).enhance(factor), int)
        # Pillow rounds the smoothed image to whole bytes, and the factor doubles that.
        assert abs(np.asarray(change(array, factor), int) - expected).max() <= 2


def test_widths_of_the_blur_are_uniform():
    dots = jnp.zeros((2000, 9, 9, 1)).at[:, 4, 4].set(1.0)
    found = np.asarray(jax.jit(partial(augment.random_gaussian_blur, size=3, sigma=(0.5, 1.5)))(KEY, dots), float)
    sigma = (-0.5 / np.log(found[:, 4, 5, 0] / found[:, 4, 4, 0])) ** 0.5
    assert scipy.stats.kstest(sigma, scipy.stats.uniform(0.5, 1.0).cdf).pvalue > 1e-3


def test_noise_is_normal_and_drawn_for_every_channel():
    found = np.asarray(augment.random_gaussian_noise(KEY, jnp.full((10, 12, 15, 3), 0.5), 0.05)) - 0.5
    assert scipy.stats.kstest(found.ravel() / 0.05, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(found[..., 0].ravel(), found[..., 1].ravel())[0, 1]) < 5 / 1800**0.5


@pytest.mark.parametrize("size", [4, 25])
def test_kernels_that_do_not_fit_are_refused(size):
    with pytest.raises(ValueError, match=rf"^gaussian_blur: size must be odd and below 24 for this image; got {size}"):
        augment.gaussian_blur(jnp.asarray(IMAGE), 1.0, size=size)
    with pytest.raises(ValueError, match=r"^random_gaussian_blur: size must be odd"):
        augment.random_gaussian_blur(None, jnp.asarray(IMAGE), size=size)
