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


OUTSIDE = [(-1, -1), (-9, 3), (3, 99), (99, 99), (2**40, -(2**40))]


@pytest.mark.parametrize("corner", OUTSIDE, ids=repr)
@pytest.mark.parametrize("compile_it", [False, True], ids=["concrete", "traced"])
def test_a_corner_outside_moves_inside_with_every_part(corner, compile_it):
    """The image wrapped around where the boxes were clipped."""
    rows, columns = jnp.meshgrid(jnp.arange(8), jnp.arange(12), indexing="ij")
    parts = {"image": jnp.stack([rows, columns], -1) / 16, "mask": rows, "boxes": jnp.array([[4.0, 4.0, 5.0, 6.0]])}
    top, left = (min(max(place, 0), limit) for place, limit in zip(corner, (4, 7), strict=True))
    if compile_it:
        corner = np.clip(corner, -(2**31), 2**31 - 1).astype(np.int32)
    cut = partial(augment.crop, size=(4, 5))
    found = (jax.jit(cut) if compile_it else cut)(parts, corner)
    np.testing.assert_array_equal(found["image"], parts["image"][top : top + 4, left : left + 5])
    np.testing.assert_array_equal(found["mask"], rows[top : top + 4, left : left + 5])
    edges = np.clip([4 - top, 4 - left, 5 - top, 6 - left], 0, [4, 5, 4, 5])
    np.testing.assert_array_equal(found["boxes"][0], edges)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int32", "uint32", "float32", "bfloat16", "int64", "float64"]
)
@pytest.mark.parametrize("x64", [False, True], ids=["x32", "x64"])
def test_corners_of_any_dtype_are_taken(dtype, x64):
    image = np.arange(2.0 * 300).reshape(2, 300, 1).astype(np.float32)
    with jax.enable_x64(x64):
        for cut in (partial(augment.crop, size=(1, 4)), jax.jit(partial(augment.crop, size=(1, 4)))):
            found = cut(image, np.array([1, 100], dtype))
            np.testing.assert_array_equal(found, image[1:2, 100:104])


def test_a_fraction_of_a_corner_rounds_up():
    for cut in (partial(augment.crop, size=(4, 5)), jax.jit(partial(augment.crop, size=(4, 5)))):
        np.testing.assert_array_equal(cut(IMAGES, np.array([1.2, 2.0])), IMAGES[:, 2:6, 2:7])


def test_corners_that_are_none_are_refused():
    for corner in ([0.0, np.nan], jnp.array([jnp.nan, 1.0])):
        with pytest.raises(ValueError, match=r"^crop: corner must be a number other than NaN; got"):
            augment.crop(IMAGES, corner, size=(4, 5))
    with pytest.raises(TypeError, match=r"^crop: corner must be a real number; got"):
        augment.crop(IMAGES, np.array([True, False]), size=(4, 5))
    with pytest.raises(ValueError, match=r"^crop: corner must have shape \(2,\) or \(3, 2\); got \(2, 2\)"):
        augment.crop(IMAGES, jnp.zeros((2, 2)), size=(4, 5))
    found = jax.jit(partial(augment.crop, size=(4, 5)))(IMAGES, jnp.array([[0.0, jnp.nan], [0.0, 0.0], [1.0, 2.0]]))
    assert jnp.isnan(found[0]).all()
    np.testing.assert_array_equal(found[2], IMAGES[2, 1:5, 2:7])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_crops_work_and_draw_the_same_in_x64_mode(dtype):
    crop = partial(augment.random_crop, size=(4, 5), padding=2)
    expected = np.asarray(crop(KEY, IMAGES))
    images, boxes = np.asarray(IMAGES, dtype), np.ones((3, 2, 4), dtype)
    with jax.enable_x64(True):
        found = jax.jit(crop)(jax.random.key(7), {"image": images, "boxes": boxes})
        assert found["boxes"].dtype == dtype
        np.testing.assert_array_equal(found["image"].astype(np.float32), expected)


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
    found = np.asarray(augment.random_crop(KEY, IMAGES, size=(8, 12), padding=2, padding_mode=mode))
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
    with pytest.raises(ValueError, match=r"^random_crop: padding must be below 2\*\*30; got 1099511627776"):
        augment.random_crop(KEY, IMAGES, size=(4, 4), padding=2**40)
    with pytest.raises(ValueError, match=r"^random_crop: padding_mode must be one of 'constant'"):
        augment.random_crop(KEY, IMAGES, size=(4, 4), padding_mode="zeros")
    with pytest.raises(TypeError, match=r"^random_crop: size must be a Python int; got 4.0"):
        augment.random_crop(KEY, IMAGES, size=(4.0, 4))
