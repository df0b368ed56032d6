"""The laws of the factors that colours are changed by."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment

KEY = jax.random.key(7)
COLOUR = jnp.array([0.4, 0.3, 0.2])
PIXELS = jnp.broadcast_to(COLOUR, (3000, 1, 1, 3))


def is_uniform(draws, low: float, high: float) -> bool:
    return bool(scipy.stats.kstest(np.asarray(draws, float), scipy.stats.uniform(low, high - low).cdf).pvalue > 1e-3)


@pytest.mark.parametrize(("strength", "low", "high"), [(0.4, 0.6, 1.4), (1.2, 0.0, 2.2)])
def test_factors_of_brightness_are_uniform_and_not_negative(strength, low, high):
    found = augment.random_brightness(KEY, PIXELS, strength)
    assert is_uniform(found[:, 0, 0, 0] / 0.4, low, high)


def test_factors_of_saturation_are_uniform():
    found = augment.random_saturation(KEY, PIXELS, 0.4)[:, 0, 0]
    assert is_uniform((found[:, 0] - found[:, 2]) / 0.2, 0.6, 1.4)


def test_factors_of_contrast_are_uniform():
    images = jnp.concatenate([PIXELS[..., :1], PIXELS[..., 2:]], 2)
    found = augment.random_contrast(KEY, images, 0.4)[:, 0, :, 0]
    assert is_uniform((found[:, 0] - found[:, 1]) / 0.2, 0.6, 1.4)


@pytest.mark.thorough
def test_shifts_of_hue_are_uniform():
    found = np.asarray(augment.random_hue(KEY, PIXELS[:1000], 0.1)[:, 0, 0])
    hues = (
        np.array([colorsys.rgb_to_hsv(*pixel.tolist())[0] for pixel in found]) - colorsys.rgb_to_hsv(0.4, 0.3, 0.2)[0]
    )
    assert is_uniform((hues + 0.5) % 1 - 0.5, -0.1, 0.1)


def test_the_share_of_grey_images_is_the_probability():
    found = augment.random_grayscale(KEY, PIXELS, 0.2)[:, 0, 0]
    is_grey = abs(found[:, 0] - found[:, 2]) < 1e-6
    assert abs(is_grey.mean() - 0.2) < 5 * (0.2 * 0.8 / 3000) ** 0.5
    np.testing.assert_array_equal(found[~is_grey], jnp.broadcast_to(COLOUR, found[~is_grey].shape))


def test_two_epochs_differ():
    """pytorch/pytorch#5059: every worker and epoch drew the same augmentation."""
    epochs = [augment.random_brightness(jax.random.fold_in(KEY, epoch), PIXELS[:9], 0.4) for epoch in (0, 1, 1)]
    assert (epochs[0] != epochs[1]).all()
    np.testing.assert_array_equal(epochs[1], epochs[2])
