"""Resized crops against Pillow, and the law of their boxes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from PIL import Image

from jreg import augment
from jreg.augment._images import _resize

KEY = jax.random.key(7)
PLANE = np.asarray(jax.random.uniform(jax.random.key(1), (16, 20)))


@pytest.mark.parametrize("box", [(0.0, 0.0, 16.0, 20.0), (2.25, 3.5, 9.75, 18.0), (5.0, 5.0, 8.0, 7.0)], ids=repr)
@pytest.mark.parametrize("size", [(8, 6), (20, 24)], ids=repr)
def test_it_resizes_as_pillow_does(box, size):
    """Pillow's bilinear resampling of a box, antialiased where pixels get larger."""
    top, left, bottom, right = box
    image = Image.fromarray(PLANE)
    expected = image.resize(size[::-1], Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    found = jax.jit(partial(augment.resized_crop, size=size))(jnp.asarray(PLANE)[..., None], jnp.array(box))
    np.testing.assert_allclose(found[..., 0], np.asarray(expected), atol=1e-5)


def test_a_whole_image_at_its_own_size_stays():
    x = jnp.asarray(PLANE)[..., None]
    np.testing.assert_allclose(augment.resized_crop(x, jnp.array([0, 0, 16, 20]), size=(16, 20)), x, atol=1e-6)


@pytest.mark.parametrize(
    "box", [(9, 2, 3, 7), (1, 7, 3, 2), (1, 2, 1, 7), (np.nan, 2, 3, 7), (-1, 0, 4, 4), (0, 0, 17, 4)], ids=repr
)
def test_boxes_that_are_none_raise_when_concrete_and_spoil_their_image_when_traced(box):
    """An inverted box mirrored the image."""
    images, good = jnp.stack([jnp.asarray(PLANE)[..., None]] * 2), (1.0, 2.0, 3.0, 7.0)
    with pytest.raises(ValueError, match=r"^resized_crop: boxes must .*; got"):
        augment.resized_crop(images, jnp.array(box), size=(4, 4))
    found = jax.jit(partial(augment.resized_crop, size=(4, 4)))(images, jnp.array([box, good]))
    assert jnp.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], augment.resized_crop(images[1], jnp.array(good), size=(4, 4)), rtol=1e-6)


def test_one_number_is_both_sides_of_a_square():
    x, box = jnp.asarray(PLANE)[..., None], jnp.array([0, 0, 16, 20])
    for crop in (
        partial(augment.crop, x, jnp.array([1, 2])),
        partial(augment.resized_crop, x, box),
        partial(augment.random_crop, KEY, x),
        partial(augment.random_resized_crop, KEY, x),
    ):
        np.testing.assert_array_equal(crop(size=4), crop(size=(4, 4)))
        for size in (4.0, None, (4,), (4, 4, 4), "44", True):
            with pytest.raises(TypeError, match=rf"^{crop.func.__name__}: size must be an int or a pair .*; got"):
                crop(size=size)


def test_masks_take_the_nearest_pixel_and_boxes_the_scale():
    mask = jnp.arange(16).reshape(4, 4)
    parts = {"image": jnp.ones((4, 4, 1)), "mask": mask, "boxes": jnp.array([[1.0, 1.0, 3.0, 4.0]])}
    found = augment.resized_crop(parts, jnp.array([1.0, 1.0, 3.0, 3.0]), size=(4, 4))
    np.testing.assert_array_equal(found["mask"], np.repeat(np.repeat(mask[1:3, 1:3], 2, 0), 2, 1))
    assert found["boxes"].tolist() == [[0.0, 0.0, 4.0, 4.0]]


def drawn_boxes(scale: tuple[float, float], ratio: tuple[float, float]) -> tuple[np.ndarray, ...]:
    """Top, left, height and width of the boxes cut out of 3000 images of 30 x 40, told by the colours."""
    transform = partial(augment.random_resized_crop, size=(64, 64), scale=scale, ratio=ratio)
    rows, columns = jnp.meshgrid(jnp.arange(30.0) + 0.5, jnp.arange(40.0) + 0.5, indexing="ij")
    image = jnp.stack([rows / 30, columns / 40], -1)
    images = jnp.broadcast_to(image, (3000, 30, 40, 2))
    found = np.asarray(jax.jit(transform)(KEY, images), np.float64)
    # Colours are linear in the place, so the step between new pixels tells the size, away from the border.
    height, width = (found[:, 40, 32, 0] - found[:, 24, 32, 0]) * 120, (found[:, 32, 40, 1] - found[:, 32, 24, 1]) * 160
    top, left = found[:, 32, 32, 0] * 30 - height * 32.5 / 64, found[:, 32, 32, 1] * 40 - width * 32.5 / 64
    return top, left, height, width


@pytest.mark.thorough
def test_the_law_of_the_boxes():
    """pytorch/vision#3344: the aspect ratio was not log-uniform."""
    top, left, height, width = drawn_boxes((0.1, 0.4), (0.5, 2.0))
    area, ratio = height * width / 1200, width / height
    assert scipy.stats.kstest(area, scipy.stats.uniform(0.1, 0.3).cdf).pvalue > 1e-3
    assert scipy.stats.kstest(np.log(ratio), scipy.stats.uniform(np.log(0.5), np.log(4.0)).cdf).pvalue > 1e-3
    for start, room in ((top, 30 - height), (left, 40 - width)):
        assert (start > -0.01).all()
        assert (start < room + 0.01).all()
        assert scipy.stats.kstest(start / room, "uniform").pvalue > 1e-3


def of_torchvision(height, width, scale, ratio, num):
    """Heights and widths that torchvision's RandomResizedCrop draws, on images so fine that pixels do not show."""
    rng = np.random.default_rng(0)

    def one():
        for _ in range(10):
            area = rng.uniform(*scale) * height * width
            aspect = np.exp(rng.uniform(*np.log(ratio)))
            tall, wide = np.sqrt(area / aspect), np.sqrt(area * aspect)
            if tall <= height and wide <= width:
                return tall, wide
        if width / height < ratio[0]:
            return width / ratio[0], width
        return (height, height * ratio[1]) if width / height > ratio[1] else (height, width)

    return np.array([one() for _ in range(num)]).T


LAWS = [
    ((48, 96), (0.08, 1.0), (3 / 4, 4 / 3)),
    ((333, 500), (0.08, 1.0), (3 / 4, 4 / 3)),
    ((48, 96), (0.9, 0.9), (1.0, 1.0)),
    ((30, 5), (0.9, 1.0), (0.5, 2.0)),
    ((30, 40), (0.9, 1.0), (0.1, 10.0)),
]


@pytest.mark.parametrize(("sides", "scale", "ratio"), LAWS, ids=repr)
def test_areas_and_ratios_follow_the_law_of_torchvision(sides, scale, ratio):
    """14 % of the boxes of 333 x 500 pixels were wider than 4:3, and all of 48 x 96 where a square was asked for."""
    num = 6000
    draw = jax.jit(partial(_resize.drawn_boxes, shape=(num,), sides=sides))
    boxes = np.asarray(draw(KEY, scale=tuple(map(jnp.float32, scale)), ratio=tuple(map(jnp.float32, ratio))), float)
    top, left, bottom, right = boxes.T
    height, width = bottom - top, right - left
    assert min(top.min(), left.min()) >= 0
    assert bottom.max() < sides[0] + 1e-4
    assert right.max() < sides[1] + 1e-4
    share = sides[1] / sides[0]
    # The whole image, where its own ratio is among those asked for.
    assert (width / height).min() > min(ratio[0], share if share > ratio[0] else np.inf) - 1e-4
    assert (width / height).max() < ratio[1] + 1e-4
    tall, wide = of_torchvision(*sides, scale, ratio, num)
    for found, expected in ((height * width, tall * wide), (width / height, wide / tall)):
        if np.ptp(expected) < 1e-9:
            np.testing.assert_allclose(found, expected, rtol=1e-4)
        else:
            # Rounded, since the sizes of a box that is not drawn differ by a rounding.
            assert scipy.stats.ks_2samp(found.round(3), expected.round(3)).pvalue > 1e-3
    assert abs((height * width).mean() / (tall * wide).mean() - 1) < 0.03


def test_a_box_that_never_fits_is_the_largest_of_the_nearest_ratio_in_the_middle():
    draw = partial(_resize.drawn_boxes, KEY, (3,), (48, 96))
    one, wide = jnp.float32(1.0), jnp.float32(4.0)
    np.testing.assert_allclose(draw((one, one), (one, one)), [[0.0, 24.0, 48.0, 72.0]] * 3)
    np.testing.assert_allclose(draw((one, one), (wide, wide)), [[12.0, 0.0, 36.0, 96.0]] * 3)
    np.testing.assert_allclose(draw((one, one), (one, wide)), [[0.0, 0.0, 48.0, 96.0]] * 3, atol=1e-4)


def test_ranges_that_are_none_are_refused():
    crop = partial(augment.random_resized_crop, KEY, jnp.ones((4, 4, 1)), size=(4, 4))
    with pytest.raises(ValueError, match=r"^random_resized_crop: scale must be a pair \(low, high\) with low <= high"):
        crop(scale=(0.5, 0.1))
    with pytest.raises(ValueError, match=r"^random_resized_crop: scale must be in \(0, 1\]; got 2.0"):
        crop(scale=(0.5, 2.0))
    with pytest.raises(ValueError, match=r"^random_resized_crop: ratio must be finite and above 0; got 0"):
        crop(ratio=(0, 1.0))
    with pytest.raises(TypeError, match=r"^random_resized_crop: scale must be a pair \(low, high\); got 0.5"):
        crop(scale=0.5)
