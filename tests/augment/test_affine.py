"""Affine maps against scipy, and what masks and boxes do meanwhile."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from jreg import augment

IMAGE = np.asarray(jax.random.uniform(jax.random.key(1), (9, 12, 2)))
MATRICES = np.array(
    [[[1, 0, 0], [0, 1, 0]], [[0.813, 0.307, -1.512], [-0.219, 1.103, 2.257]], [[-0.4, 1.2, 3.0], [0.9, 0.5, -4.0]]],
    np.float32,
)


def test_it_resamples_as_scipy_does():
    found = jax.jit(augment.affine)(jnp.tile(IMAGE, (3, 1, 1, 1)), MATRICES, fill=0.25)
    for matrix, one in zip(MATRICES, found, strict=True):
        for channel in range(2):
            expected = ndimage.affine_transform(
                IMAGE[..., channel], matrix[:, :2], matrix[:, 2], order=1, mode="grid-constant", cval=0.25
            )
            np.testing.assert_allclose(one[..., channel], expected, atol=1e-5)


def test_masks_take_the_nearest_pixel_as_in_scipy():
    mask = np.arange(108).reshape(9, 12)
    found = augment.affine({"image": jnp.asarray(IMAGE), "mask": jnp.asarray(mask)}, MATRICES[1])["mask"]
    expected = ndimage.affine_transform(mask, MATRICES[1, :, :2], MATRICES[1, :, 2], order=0, mode="grid-constant")
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == jnp.int32


@pytest.mark.parametrize("degrees", [30.0, -75.0])
def test_rotation_is_counter_clockwise_as_in_scipy(degrees):
    found = augment.rotate(jnp.asarray(IMAGE), degrees)
    expected = ndimage.rotate(IMAGE, degrees, reshape=False, order=1, mode="grid-constant")
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_quarter_turn_turns_every_part():
    image = jnp.asarray(IMAGE[:9, :9])
    parts = {"image": image, "mask": image[..., 0] > 0.5, "boxes": jnp.array([[0.0, 1.0, 2.0, 5.0]])}
    found = augment.rotate(parts, 90.0)
    np.testing.assert_allclose(found["image"], np.rot90(image), atol=1e-4)
    np.testing.assert_array_equal(found["mask"], np.rot90(parts["mask"]))
    np.testing.assert_allclose(found["boxes"], [[4.0, 0.0, 8.0, 2.0]], atol=1e-4)


def test_boxes_go_where_their_pixels_go():
    """The box around the bright pixels of the result is the box that was moved."""
    image = jnp.zeros((40, 50, 1)).at[10:20, 15:30].set(1.0)
    parts = {"image": image, "boxes": jnp.array([[10.0, 15.0, 20.0, 30.0]])}
    for move in (
        lambda x: augment.translate(x, jnp.array([3.0, -4.0])),
        lambda x: augment.rotate(x, 25.0),
        lambda x: augment.shear(x, 20.0),
        lambda x: augment.shear(x, -20.0, direction="vertical"),
    ):
        found = move(parts)
        rows, columns = np.nonzero(np.asarray(found["image"][..., 0]) > 0.05)
        around = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        np.testing.assert_allclose(found["boxes"][0], around, atol=1.1)


def test_a_box_that_left_the_image_has_no_area():
    parts = {"image": jnp.ones((8, 8, 1)), "boxes": jnp.array([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 8.0, 8.0]])}
    top, left, bottom, right = np.asarray(augment.translate(parts, jnp.array([-3.0, 0.0]))["boxes"]).T
    assert ((bottom - top) * (right - left)).tolist() == [0.0, 40.0]


def test_translation_by_whole_pixels_is_a_roll_with_zeros():
    found = augment.translate(jnp.asarray(IMAGE), jnp.array([2, -3]))
    expected = np.zeros_like(IMAGE)
    expected[2:, :-3] = IMAGE[:-2, 3:]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"^affine: matrix must have shape \(2, 3\); got \(3, 3\)"):
        augment.affine(jnp.asarray(IMAGE), jnp.eye(3))
    with pytest.raises(ValueError, match=r"^rotate: fill must be in \[0, 1\]; got 255"):
        augment.rotate(jnp.asarray(IMAGE), 10.0, fill=255)
    with pytest.raises(ValueError, match=r"^shear: direction must be one of 'horizontal', 'vertical'; got 'x'"):
        augment.shear(jnp.asarray(IMAGE), 10.0, direction="x")
