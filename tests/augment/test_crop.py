"""Crops against numpy, where they begin, and what lies beyond the border."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jreg import augment

KEY = jax.random.key(7)
IMAGES = jax.random.uniform(jax.random.key(1), (3, 8, 12, 3))


def test_a_crop_is_a_slice_of_every_part():
    boxes = jnp.array([[3.0, 3.0, 5.0, 5.0], [0.0, 0.0, 3.0, 12.0]])
    parts = {"image": IMAGES, "mask": IMAGES[..., :2] > 0.5, "boxes": jnp.tile(boxes, (3, 1, 1))}
    found = jax.jit(partial(augment.crop, size=(4, 5)))(parts, jnp.array([2, 1]))
    np.testing.assert_array_equal(found["image"], IMAGES[:, 2:6, 1:6])
    np.testing.assert_array_equal(found["mask"], IMAGES[:, 2:6, 1:6, :2] > 0.5)
    assert found["boxes"][0].tolist() == [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 1.0, 5.0]]


def test_every_image_has_its_own_corner():
    corners = jnp.array([[0, 0], [4, 7], [1, 3]])
    found = augment.crop(IMAGES, corners, size=(4, 5))
    for image, (top, left), one in zip(IMAGES, corners.tolist(), found, strict=True):
        np.testing.assert_array_equal(one, image[top : top + 4, left : left + 5])


def test_no_key_crops_the_centre():
    np.testing.assert_array_equal(augment.random_crop(None, IMAGES, size=(4, 6)), IMAGES[:, 2:6, 3:9])
    np.testing.assert_array_equal(augment.random_crop(None, IMAGES, size=(8, 12), padding=3), IMAGES)


def test_every_corner_is_as_likely():
    boxes = jnp.tile(jnp.array([[2.0, 3.0, 2.0, 3.0]]), (6000, 1, 1))
    parts = {"image": jnp.zeros((6000, 4, 6, 1)), "boxes": boxes}
    found = augment.random_crop(KEY, parts, size=(3, 4))["boxes"][:, 0]
    corners = np.asarray(jnp.array([[2, 3]]) - found[:, :2].astype(int))
    counts = np.histogram2d(*corners.T, bins=(2, 3))[0]
    assert counts.sum() == 6000
    assert scipy.stats.chisquare(counts.ravel()).pvalue > 1e-3


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_crops_of_padded_images_are_slices_of_numpys_padding(mode):
    found = np.asarray(augment.random_crop(KEY, IMAGES, size=(8, 12), padding=2, mode=mode))
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)), mode=mode)
    corners = [(top, left) for top in range(5) for left in range(5)]
    for one, image in zip(found, padded, strict=True):
        assert any((one == image[top : top + 8, left : left + 12]).all() for top, left in corners)


def test_boxes_move_with_the_padding():
    parts = {"image": IMAGES[0], "boxes": jnp.array([[0.0, 0.0, 8.0, 12.0]])}
    found = augment.random_crop(None, parts, size=(12, 16), padding=2)
    assert found["boxes"].tolist() == [[2.0, 2.0, 10.0, 14.0]]


def test_crops_larger_than_the_image_are_refused():
    """augmax returns an image of 20 x 20 from one of 8 x 12."""
    with pytest.raises(
        ValueError, match=r"^random_crop: size must be at most \(8, 12\), that of the image; got \(20, 20\)"
    ):
        augment.random_crop(KEY, IMAGES, size=(20, 20))
    with pytest.raises(ValueError, match=r"^crop: size must be at most \(8, 12\), that of the image; got \(4, 13\)"):
        augment.crop(IMAGES, jnp.zeros(2, int), size=(4, 13))


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match=r"^random_crop: padding must be at least 0; got -1"):
        augment.random_crop(KEY, IMAGES, size=(4, 4), padding=-1)
    with pytest.raises(ValueError, match=r"^random_crop: mode must be one of 'constant'"):
        augment.random_crop(KEY, IMAGES, size=(4, 4), mode="zeros")
    with pytest.raises(TypeError, match=r"^random_crop: size must be a Python int; got 4.0"):
        augment.random_crop(KEY, IMAGES, size=(4.0, 4))
